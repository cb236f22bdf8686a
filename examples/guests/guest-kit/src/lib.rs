//! What the guests share: crashes that can be read, a no to channels, and an actor that only answers.
//!
//! A guest's crash is a trap, and a trap says where but not why. With this crate linked, the message of a panic goes to the
//! actor's log before the trap. An actor that calls nothing here has to name the crate to link it:
//!
//! ```ignore
//! use guest_kit as _;
//! ```

use std::panic;

use theater::simple::runtime::log;

wit_bindgen::generate!({
    inline: "package example:guest-kit; world guest-kit { import theater:simple/runtime; }",
    path: "../../../wit",
    generate_all,
});

/// Runs before the first call of an export, in each life anew: a restart does not call `init`, so that would be too
/// late.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_THE_FIRST_CALL: extern "C" fn() = log_panics;

extern "C" fn log_panics() {
    panic::set_hook(Box::new(|panic| log(&panic.to_string().replace('\n', " "))));
}

/// The three channel functions of `message-server-client`, for an actor that has no channels. Belongs into the `impl`.
#[macro_export]
macro_rules! refuse_channels {
    () => {
        fn handle_channel_open(
            state: Option<Vec<u8>>,
            _: (String, Vec<u8>),
        ) -> Result<
            (Option<Vec<u8>>, (exports::theater::simple::message_server_client::ChannelAccept,)),
            String,
        > {
            let refused = exports::theater::simple::message_server_client::ChannelAccept {
                accepted: false,
                message: Some(b"this actor has no channels".to_vec()),
            };
            Ok((state, (refused,)))
        }

        fn handle_channel_message(
            state: Option<Vec<u8>>,
            _: (String, Vec<u8>),
        ) -> Result<(Option<Vec<u8>>,), String> {
            Ok((state,))
        }

        fn handle_channel_close(state: Option<Vec<u8>>, _: (String,)) -> Result<(Option<Vec<u8>>,), String> {
            Ok((state,))
        }
    };
}

/// An actor that answers messages, each by what `$answer` makes of its bytes. Its state is the last answer, so that a state that differs
/// shows that an answer did.
#[macro_export]
macro_rules! answer_messages {
    ($actor:ty, $answer:path) => {
        impl exports::theater::simple::actor::Guest for $actor {
            fn init(state: Option<Vec<u8>>, _: (String,)) -> Result<(Option<Vec<u8>>,), String> {
                Ok((state,))
            }
        }

        impl exports::theater::simple::message_server_client::Guest for $actor {
            fn handle_send(_: Option<Vec<u8>>, (message,): (Vec<u8>,)) -> Result<(Option<Vec<u8>>,), String> {
                Ok((Some($answer(&message)?),))
            }

            fn handle_request(
                _: Option<Vec<u8>>,
                (_, message): (String, Vec<u8>),
            ) -> Result<(Option<Vec<u8>>, (Option<Vec<u8>>,)), String> {
                let answer = $answer(&message)?;
                Ok((Some(answer.clone()), (Some(answer),)))
            }

            $crate::refuse_channels!();
        }
    };
}

/// The answers to the lines of a message, a line each: what `call` makes of it, or `error: ` and why not.
///
/// # Errors
/// If the message is not text.
pub fn answer_lines(
    message: &[u8],
    call: impl Fn(&str) -> Result<String, String>,
) -> Result<Vec<u8>, String> {
    let text = str::from_utf8(message).map_err(|_| "not text")?;
    let answers: Vec<_> =
        text.split('\n').map(|line| call(line).unwrap_or_else(|error| format!("error: {error}"))).collect();
    Ok(answers.join("\n").into_bytes())
}

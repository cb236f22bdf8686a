//! What the guests share: crashes that can be read, and a no to channels.
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

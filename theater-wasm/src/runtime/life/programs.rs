//! What programs do comes in between messages, one call into the guest each. Without the feature `process` there is nothing.

use theater_core::ExitReason;
use tokio::sync::mpsc;

use super::{Life, Running};
use crate::runtime::mailbox::Delivered;

#[cfg(all(unix, feature = "process"))]
use crate::host::process::{Happening, Happenings};

/// What no program does.
#[cfg(not(all(unix, feature = "process")))]
#[derive(Debug)]
pub(super) enum Happening {}

/// Where what the programs of a life do comes out, if it may have any.
#[derive(Debug, Default)]
pub(super) struct Programs {
    #[cfg(all(unix, feature = "process"))]
    happenings: Option<Happenings>,
}

/// What an actor handles next.
#[derive(Debug)]
pub(super) enum Input {
    Message(Delivered),
    #[cfg_attr(
        not(all(unix, feature = "process")),
        expect(dead_code, reason = "there are no programs without the feature")
    )]
    Program(Happening),
}

#[cfg(not(all(unix, feature = "process")))]
impl Programs {
    pub(super) fn of(_: &Life) -> Self {
        Self::default()
    }

    /// The next message. Cancel-safe.
    pub(super) async fn or_message(&mut self, mailbox: &mut mpsc::Receiver<Delivered>) -> Option<Input> {
        mailbox.recv().await.map(Input::Message)
    }
}

#[cfg(not(all(unix, feature = "process")))]
impl Running<'_> {
    #[expect(clippy::unused_async, reason = "with the feature it calls the guest")]
    pub(super) async fn handle_program(&mut self, happening: Happening) -> Result<(), ExitReason> {
        match happening {}
    }
}

#[cfg(all(unix, feature = "process"))]
impl Programs {
    pub(super) fn of(life: &Life) -> Self {
        let programs = life.services.as_ref().and_then(|services| services.programs_of_life());
        Self { happenings: programs.and_then(|programs| programs.take_happenings()) }
    }

    /// The next message, or what a program did. Where both wait neither keeps the other from its turn. Cancel-safe.
    pub(super) async fn or_message(&mut self, mailbox: &mut mpsc::Receiver<Delivered>) -> Option<Input> {
        let Some(happenings) = &mut self.happenings else { return mailbox.recv().await.map(Input::Message) };
        tokio::select! {
            Some(message) = mailbox.recv() => Some(Input::Message(message)),
            Some(happening) = happenings.recv() => Some(Input::Program(happening)),
            else => None,
        }
    }
}

#[cfg(all(unix, feature = "process"))]
impl Running<'_> {
    /// Brings the guest what a program did, where it wants to know. A trap ends the life, as in a message.
    pub(super) async fn handle_program(&mut self, happening: Happening) -> Result<(), ExitReason> {
        use crate::component::NewState;
        use crate::host::process::Happened;

        self.life.room().await?;
        let (pid, subject) = (happening.pid, happening.pid.to_string());
        let ready = self.ready().await?;
        let (result,): NewState = match &happening.what {
            Happened::Stdout(data) => {
                let Some(function) = ready.export(|guest| &guest.handle_stdout) else { return Ok(()) };
                self.begin_call("handle-stdout", Some(&subject), Some(data), None).await?;
                Self::call(self.life, &mut self.instance, function, (self.state.as_deref(), (pid, &**data)))
                    .await?
            }
            Happened::Stderr(data) => {
                let Some(function) = ready.export(|guest| &guest.handle_stderr) else { return Ok(()) };
                self.begin_call("handle-stderr", Some(&subject), Some(data), None).await?;
                Self::call(self.life, &mut self.instance, function, (self.state.as_deref(), (pid, &**data)))
                    .await?
            }
            Happened::Exited(code) => {
                let Some(function) = ready.export(|guest| &guest.handle_exit) else { return Ok(()) };
                let text = code.to_string();
                self.begin_call("handle-exit", Some(&subject), Some(text.as_bytes()), None).await?;
                Self::call(self.life, &mut self.instance, function, (self.state.as_deref(), (pid, *code)))
                    .await?
            }
        };
        self.returned(result.map(|(state,)| (state, ())), |(), _| ()).await.map(drop)
    }
}

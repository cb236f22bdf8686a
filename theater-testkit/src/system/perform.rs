//! Commands, one at a time.

use theater_core::{ActorId, ActorRuntime, Authority, SpawnRequest, StopMode};
use theater_supervisor::{ChildState, ChildView};

use super::{BUDGET, System};
use crate::act::HostCall;
use crate::log::What;
use crate::mock::Stuck;
use crate::strategy::{Cmd, Target};

/// More things than these do not happen between two commands of a system that does not come to rest in between.
const STEPS: usize = 6;

impl System {
    /// Performs a command on the children that are there. Then the system comes to rest where what is ready first happens
    /// first; otherwise a few of the things that are ready happen, so that the next command finds it at work.
    ///
    /// # Errors
    /// [`Stuck`].
    pub async fn perform(&mut self, command: &Cmd) -> Result<(), Stuck> {
        match command {
            Cmd::Advance(time) => return self.mock.advance(*time).await.map(drop),
            Cmd::Crash(target, reason) => {
                if let Some(child) = self.child(*target).await {
                    self.mock.crash(child, reason.clone());
                }
            }
            Cmd::CrashTogether(targets, reason) => {
                let mut children = Vec::new();
                for target in targets {
                    children.extend(self.child(*target).await);
                }
                self.mock.crash_together(&children, reason.clone());
            }
            Cmd::List => {
                // At work it may keep what it is about to forget: a list at rest says more.
                self.mock.settle(BUDGET).await?;
                self.ask(self.supervisor, command).await;
                return self.mock.settle(BUDGET).await.map(drop);
            }
            Cmd::AsStranger(target, command) => {
                // Any actor but the parent: the children themselves, and one that has nothing to do with it.
                let mut others = self.children().await;
                others.push(self.stranger);
                if let Some(other) = target.of(&others).copied() {
                    self.ask(other, command).await;
                }
            }
            Cmd::Shutdown => {
                let (mock, id) = (self.mock.clone(), self.supervisor);
                self.spawn(async move { drop(mock.stop(Authority::Operator, id, StopMode::Infinity).await) });
            }
            command => self.ask(self.supervisor, command).await,
        }
        if self.eager {
            for _ in 0..self.mock.choose(STEPS) {
                self.mock.step().await;
            }
        } else {
            self.mock.settle(BUDGET).await?;
        }
        self.under_way.retain(|task| !task.is_finished());
        Ok(())
    }

    async fn child(&self, target: Target) -> Option<ActorId> {
        target.of(&self.children().await).copied()
    }

    fn spawn(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.under_way.push(tokio::spawn(work));
    }

    /// Lets an actor ask for something, as its guest or as the embedding program for its supervisor. The answer is in the
    /// log, or nobody's affair.
    async fn ask(&mut self, actor: ActorId, command: &Cmd) {
        let mock = self.mock.clone();
        let supervisor = mock.supervisor(actor);
        let target = match command.targets().first() {
            Some(target) => self.child(*target).await,
            None => None,
        };
        let named = |call: fn(String) -> HostCall| target.map(|id| call(id.to_string()));
        let call = match command {
            Cmd::Terminate(_) => named(HostCall::StopChild),
            Cmd::Renew(_) => named(HostCall::RestartChild),
            Cmd::GetState(_) => named(HostCall::GetChildState),
            Cmd::GetEvents(_) => named(HostCall::GetChildEvents),
            Cmd::Resume(program, state) => {
                let manifest = self.bring(program);
                Some(HostCall::Resume { manifest, state: Some(state.clone()) })
            }
            Cmd::Start(program) if supervisor.is_none() => {
                let manifest = self.bring(program);
                Some(HostCall::Spawn { manifest, init: None })
            }
            _ => None,
        };
        if let Some(call) = call {
            let guest = self.mock.guest(actor);
            return self.spawn(async move { drop(guest.call(call).await) });
        }
        let Some(supervisor) = supervisor else { return };
        match (command, target) {
            (Cmd::Start(program), _) => {
                let manifest = self.bring(program);
                let (id, spec) = (manifest.clone(), program.child_spec);
                self.spawn(async move {
                    let request = SpawnRequest::new(None, manifest);
                    drop(supervisor.start_child(&id, spec, request).await);
                });
            }
            (Cmd::Restart(_) | Cmd::Delete(_), Some(child)) => {
                let deletes = matches!(command, Cmd::Delete(_));
                self.spawn(async move {
                    let Ok(child) = supervisor.child(&mock, child).await else { return };
                    let asked = if deletes {
                        supervisor.delete_child(child).await
                    } else {
                        supervisor.restart_child(child).await
                    };
                    drop(asked);
                });
            }
            (Cmd::Send(_, act), Some(child)) => {
                let act = act.clone();
                self.spawn(async move { drop(mock.act(child, act).await) });
            }
            (Cmd::List, _) => {
                self.spawn(async move {
                    // Of one moment: between two calls it may change, and change back.
                    if let Ok((children, counts)) = supervisor.list_and_count().await {
                        // At work it may keep what it is about to forget.
                        let settled =
                            |child: &ChildView| matches!(child.state, ChildState::Running | ChildState::Down);
                        let entries = children.iter().all(settled).then_some(children.len());
                        mock.note(What::Listed { id: actor, children, counts });
                        if let Some(entries) = entries {
                            mock.note(What::Size { id: actor, entries });
                        }
                    }
                });
            }
            _ => {}
        }
    }

    /// Gives a program a reference of its own.
    fn bring(&mut self, program: &crate::program::Program) -> String {
        self.started += 1;
        let reference = format!("child-{}", self.started);
        self.mock.bring(&reference, program.clone());
        reference
    }
}

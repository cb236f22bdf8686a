//! The model's answers to calls.

use super::{Child, Model, Pid};
use crate::otp::mutation::Mutation;
use crate::otp::scenario::{ChildPlan, OpResult};

impl Model {
    pub(super) fn start_child(&mut self, spec: &ChildPlan) -> OpResult {
        if let Some(index) = self.index(spec.id) {
            let runs = matches!(self.children[index].pid, Pid::Running(_));
            return if runs { OpResult::AlreadyStarted } else { OpResult::AlreadyPresent };
        }
        self.bring(spec);
        let Ok(pid) = self.spawn(spec.id) else { return OpResult::StartError };
        self.children.push(Child { spec: spec.clone(), pid });
        self.put(spec.id, pid);
        if pid == Pid::Undefined { OpResult::OkIgnored } else { OpResult::Ok }
    }

    pub(super) fn terminate_child(&mut self, id: u32) -> OpResult {
        let Some(index) = self.index(id) else { return OpResult::NotFound };
        let significant = self.children[index].spec.significant;
        self.stop(index);
        self.delete_pid(index);
        if self.is(Mutation::AutoShutdownOnTerminate) {
            self.auto_shutdown(significant);
        }
        OpResult::Ok
    }

    pub(super) fn restart_child(&mut self, id: u32) -> OpResult {
        let Some(index) = self.index(id) else { return OpResult::NotFound };
        match self.children[index].pid {
            Pid::Running(_) => OpResult::Running,
            Pid::Restarting => OpResult::Restarting,
            Pid::Undefined => {
                let Ok(pid) = self.spawn(id) else { return OpResult::StartError };
                self.children[index].pid = pid;
                if pid == Pid::Undefined { OpResult::OkIgnored } else { OpResult::Ok }
            }
        }
    }

    pub(super) fn delete_child(&mut self, id: u32) -> OpResult {
        let Some(index) = self.index(id) else { return OpResult::NotFound };
        match self.children[index].pid {
            Pid::Running(_) => OpResult::Running,
            Pid::Restarting => OpResult::Restarting,
            Pid::Undefined => {
                self.children.remove(index);
                OpResult::Ok
            }
        }
    }
}

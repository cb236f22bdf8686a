//! What an actor's chain says of the actor: pure, from events to what has to be brought back.

use std::collections::BTreeMap;

use theater_core::event::payload::{
    self, Call, ChildAnchor, Exited, Genesis, HostCall, Origin, PayloadError, Return, Snapshot, Started,
};
use theater_core::{ActorId, Bytes, ChainEvent, EventKind, ExitReason, Incarnation};
use theater_supervisor::{Decision, SupervisionReport, SupervisorEvent};

use super::entry::Start;

/// Why a chain cannot be understood.
#[derive(Debug, Clone, thiserror::Error)]
#[error("event {seq}: {source}")]
pub(super) struct PastError {
    pub(super) seq: u64,
    #[source]
    pub(super) source: PayloadError,
}

/// A message that was accepted, as the chain has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) function: String,
    pub(super) from: Option<ActorId>,
    pub(super) subject: Option<String>,
    pub(super) data: Option<Bytes>,
    pub(super) error_type: Option<String>,
}

impl Accepted {
    pub(super) fn read(event: &ChainEvent) -> Result<Self, PayloadError> {
        let call: Call<'_> = payload::decode(&event.payload)?;
        Ok(Self {
            function: call.function.into_owned(),
            from: call.from,
            subject: call.subject.map(std::borrow::Cow::into_owned),
            data: call.data.map(|data| Bytes::copy_from_slice(&data)),
            error_type: call.error_type.map(std::borrow::Cow::into_owned),
        })
    }

    /// Whether it stood in the mailbox. `init` and the callbacks about children and programs do not.
    pub(super) fn is_message(&self) -> bool {
        let of_program = matches!(&*self.function, "handle-stdout" | "handle-stderr" | "handle-exit");
        self.function != "init" && !of_program && !self.function.starts_with("handle-child-")
    }
}

/// A child as its parent's chain knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ChildPast {
    /// Whether a life of it ever ran.
    pub(super) ran: bool,
    /// Where the end of its last life stands, unless another began since.
    pub(super) exited: Option<u64>,
}

/// One end of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChannelEnd {
    /// Who is at the other.
    pub(super) other: ActorId,
    /// Where the chain says that it is open.
    at: u64,
}

/// What a chain says.
#[derive(Debug, Clone)]
pub(super) struct Past {
    pub(super) genesis: Genesis,
    /// Events that were read, and bytes of their payloads.
    pub(super) length: u64,
    pub(super) bytes: u64,
    pub(super) incarnation: Incarnation,
    /// How the last life ended; `None` if the chain does not say.
    pub(super) ended: Option<ExitReason>,
    /// Whether the last life is one that was brought back.
    revived: bool,
    /// Where the last life began.
    pub(super) started_at: Option<u64>,
    /// Where the life began whose children it has: being brought back ends none of them.
    pub(super) family_since: u64,
    /// What the first life started with.
    pub(super) first: Option<Start>,
    /// The last good state that the chain has whole.
    pub(super) good: Option<Option<Bytes>>,
    /// From where on calls have to be run again to get from `good` to the last good state; `None` where it is `good`.
    pub(super) rerun_from: Option<u64>,
    /// Where the state that the chain has whole stands.
    good_at: u64,
    /// What the last instance did while it was instantiated, and what the one did whose call left `good`.
    made: Vec<ChainEvent>,
    pub(super) good_made: Vec<ChainEvent>,
    /// Messages that were accepted and have neither been handled nor refused, in the order of the mailbox.
    pub(super) pending: BTreeMap<u64, Accepted>,
    /// A call that is no message and has not returned.
    callback: Option<u64>,
    /// Where `init` was called last, until it has returned.
    init_at: Option<u64>,
    /// The first record of a host call since the last call returned.
    pub(super) host_since: Option<u64>,
    /// When the supervisor of the last life restarted a child.
    pub(super) restarts: Vec<u64>,
    /// Where it last decided to restart a child.
    pub(super) restarted_at: Option<u64>,
    /// Where it last decided to restart a child with others.
    pub(super) group_restart: Option<u64>,
    pub(super) children: BTreeMap<ActorId, ChildPast>,
    /// Channels that it opened and that are not closed.
    pub(super) opened: BTreeMap<String, ChannelEnd>,
    /// Channels that it accepted and that are not closed.
    pub(super) accepted: BTreeMap<String, ChannelEnd>,
}

impl Past {
    /// Begins with the genesis event.
    pub(super) fn new(genesis: &ChainEvent) -> Result<Self, PastError> {
        let read = payload::decode(&genesis.payload)
            .map_err(|source| PastError { seq: genesis.header.seq, source })?;
        Ok(Self {
            genesis: read,
            length: 1,
            bytes: genesis.payload.len() as u64,
            incarnation: Incarnation(0),
            ended: None,
            revived: false,
            started_at: None,
            family_since: 0,
            first: None,
            good: None,
            rerun_from: None,
            good_at: 0,
            made: Vec::new(),
            good_made: Vec::new(),
            pending: BTreeMap::new(),
            callback: None,
            init_at: None,
            host_since: None,
            restarts: Vec::new(),
            restarted_at: None,
            group_restart: None,
            children: BTreeMap::new(),
            opened: BTreeMap::new(),
            accepted: BTreeMap::new(),
        })
    }

    /// Takes the next event.
    pub(super) fn take(&mut self, event: &ChainEvent) -> Result<(), PastError> {
        let seq = event.header.seq;
        self.length = seq + 1;
        self.bytes += event.payload.len() as u64;
        if event.is_pruned() {
            // It was pruned, which what is needed here never is.
            return Ok(());
        }
        self.understand(event).map_err(|source| PastError { seq, source })
    }

    fn understand(&mut self, event: &ChainEvent) -> Result<(), PayloadError> {
        let (seq, bytes) = (event.header.seq, &event.payload);
        match event.header.kind {
            EventKind::STARTED => self.started(seq, payload::decode(bytes)?),
            EventKind::EXITED => self.exited(payload::decode(bytes)?),
            EventKind::CALL => self.called(seq, Accepted::read(event)?),
            EventKind::RETURN => self.returned(seq, &payload::decode(bytes)?),
            EventKind::SNAPSHOT => {
                let Snapshot { state } = payload::decode(bytes)?;
                self.save(seq, state);
            }
            EventKind::INSTANTIATION => super::rerun::take_instantiation(&mut self.made, event)?,
            EventKind::CHILD_STARTED | EventKind::CHILD_RESTARTED => {
                let ChildAnchor { anchor, .. } = payload::decode(bytes)?;
                self.children.insert(anchor.actor, ChildPast { ran: true, exited: None });
            }
            EventKind::CHILD_EXITED => {
                let ChildAnchor { anchor, .. } = payload::decode(bytes)?;
                self.children.entry(anchor.actor).or_default().exited = Some(seq);
            }
            EventKind::SUPERVISION => self.decided(seq, event.header.time, bytes)?,
            kind if kind.0 >= EventKind::LOG.0 => {
                self.host_since.get_or_insert(seq);
                self.channel(seq, kind, bytes)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn started(&mut self, seq: u64, started: Started) {
        (self.incarnation, self.ended, self.started_at) = (started.incarnation, None, Some(seq));
        (self.callback, self.init_at) = (None, None);
        self.made.clear();
        self.revived = started.revived;
        if !started.revived {
            (self.host_since, self.group_restart, self.family_since) = (None, None, seq);
            self.restarted_at = None;
            self.restarts.clear();
        }
        let first = match started.origin {
            Origin::Given => Start::State(started.state.clone()),
            Origin::Snapshot => Start::Snapshot(started.state.clone()),
            Origin::Init => {
                self.first.get_or_insert(Start::Init(started.state));
                return;
            }
            _ => return,
        };
        self.first.get_or_insert(first);
        self.save(seq, started.state);
    }

    fn exited(&mut self, exited: Exited) {
        if let Some(call) = exited.call {
            self.pending.remove(&call);
        }
        // A message that the end of the runtime interrupted goes on where it was; a callback does not.
        if self.callback.is_some() || exited.reason != ExitReason::RuntimeEnded {
            self.host_since = None;
        }
        (self.callback, self.init_at) = (None, None);
        // A life that was to go on and did not begin changes nothing: the next try goes on from the same place.
        let not_begun = self.revived && matches!(exited.reason, ExitReason::StartFailed { .. });
        self.ended = Some(if not_begun { ExitReason::RuntimeEnded } else { exited.reason });
    }

    fn called(&mut self, seq: u64, call: Accepted) {
        if call.function == "init" {
            self.init_at = Some(seq);
        }
        if !call.is_message() {
            self.callback = Some(seq);
            return;
        }
        if let ("handle-channel-close", Some(channel)) = (&*call.function, &call.subject) {
            self.closed(channel);
        }
        self.pending.insert(seq, call);
    }

    fn returned(&mut self, seq: u64, record: &Return<'_>) {
        let message = record.call.and_then(|call| self.pending.remove(&call));
        if let (Some(true), Some(Accepted { from: Some(other), subject: Some(channel), .. })) =
            (record.accepted, message)
        {
            self.accepted.insert(channel, ChannelEnd { other, at: seq });
        }
        if record.unhandled {
            return;
        }
        let init_at = self.init_at.take();
        (self.callback, self.host_since) = (None, None);
        if record.error.is_some() {
            return;
        }
        if record.unsaved {
            // What `init` made follows from what it was given; everything else from the state before.
            let from = init_at.unwrap_or(self.good_at + 1);
            if init_at.is_some() || self.rerun_from.is_none() {
                self.rerun_from = Some(from);
            }
            if init_at.is_some() {
                self.good_made.clone_from(&self.made);
            }
            self.good.get_or_insert(None);
        } else if let Some(state) = &record.state {
            self.save(seq, Some(Bytes::copy_from_slice(state)));
        } else if record.state_len.is_none() {
            self.save(seq, None);
        }
    }

    fn save(&mut self, seq: u64, state: Option<Bytes>) {
        (self.good, self.good_at, self.rerun_from) = (Some(state), seq, None);
        self.good_made.clone_from(&self.made);
    }

    fn decided(&mut self, seq: u64, time: u64, bytes: &[u8]) -> Result<(), PayloadError> {
        let event: SupervisorEvent = payload::decode(bytes)?;
        let report: SupervisionReport = payload::decode(event.data.as_deref().unwrap_or_default())?;
        if let Decision::Restart { siblings, .. } = report.decision {
            self.restarts.push(time);
            self.restarted_at = Some(seq);
            if siblings > 0 {
                self.group_restart = Some(seq);
            }
        }
        Ok(())
    }

    fn channel(&mut self, seq: u64, kind: EventKind, bytes: &[u8]) -> Result<(), PayloadError> {
        match kind {
            EventKind::OPEN_CHANNEL => {
                if let HostCall::Answered { subject: Some(to), data: Some(id) } = payload::decode(bytes)?
                    && let Ok(other) = to.parse()
                {
                    let end = ChannelEnd { other, at: seq };
                    self.opened.insert(String::from_utf8_lossy(&id).into_owned(), end);
                }
            }
            EventKind::CLOSE_CHANNEL => {
                if let HostCall::Answered { subject: Some(id), .. } = payload::decode(bytes)? {
                    self.closed(&id);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn closed(&mut self, channel: &str) {
        self.opened.remove(channel);
        self.accepted.remove(channel);
    }

    /// The first event whose payload is needed to bring the actor back: those before it may be pruned.
    pub(super) fn needed_from(&self) -> u64 {
        let state = self.rerun_from.map_or(self.good_at, |from| from.min(self.good_at));
        let firsts = [self.pending.keys().next().copied(), self.callback, self.init_at, self.host_since];
        let channels = self.opened.values().chain(self.accepted.values()).map(|end| end.at);
        firsts.into_iter().flatten().chain(channels).fold(state, u64::min)
    }

    /// Whether the call that was interrupted is a message: then it is handled again, from the first record of its host calls on with what
    /// they were answered.
    pub(super) fn interrupted(&self) -> Option<u64> {
        let alive = matches!(self.ended, None | Some(ExitReason::RuntimeEnded));
        if !alive || self.callback.is_some() {
            return None;
        }
        self.host_since
    }
}

#[cfg(test)]
mod tests {
    use theater_chain::Chain;

    use super::*;

    /// A chain that is written and read back.
    struct Writing {
        chain: Chain,
        past: Past,
    }

    impl Writing {
        fn new() -> Self {
            let genesis = Genesis {
                actor: ActorId::from_parts(1, [1; 10]),
                nonce: [7; 32],
                name: "one".into(),
                component: String::new(),
                manifest: String::new(),
                parent: None,
                runtime: "test".into(),
                placement: None,
                sources: None,
            };
            let (chain, genesis) = Chain::genesis(payload::encode(&genesis), 1, 1);
            Self { chain, past: Past::new(&genesis).unwrap() }
        }

        fn write(&mut self, kind: EventKind, payload: Bytes) -> u64 {
            let event = self.chain.append(kind, payload, 5);
            self.past.take(&event).unwrap();
            event.header.seq
        }

        fn start(&mut self, life: u64, origin: Origin) {
            let started = Started::new(Incarnation(life), origin, None);
            self.write(EventKind::STARTED, payload::encode(&started));
        }

        fn call(&mut self, function: &str) -> u64 {
            let call =
                Call { function: function.into(), from: None, subject: None, data: None, error_type: None };
            self.write(EventKind::CALL, payload::encode(&call))
        }

        fn return_with(&mut self, call: u64, record: Return<'_>) {
            self.write(EventKind::RETURN, payload::encode(&Return { call: Some(call), ..record }));
        }

        fn state(&mut self, call: u64, state: &[u8]) {
            let state_len = Some(state.len() as u64);
            let state = Some(std::borrow::Cow::Borrowed(serde_bytes::Bytes::new(state)));
            self.return_with(call, Return { state_len, state, ..Return::default() });
        }

        fn unsaved(&mut self, call: u64) {
            self.return_with(call, Return { state_len: Some(9), unsaved: true, ..Return::default() });
        }

        fn good(&self) -> (Option<&[u8]>, Option<u64>) {
            (self.past.good.as_ref().and_then(|state| state.as_deref()), self.past.rerun_from)
        }
    }

    #[test]
    fn the_last_good_state_is_the_last_that_stands_there_whole_and_what_came_of_it() {
        let mut chain = Writing::new();
        chain.start(1, Origin::Init);
        let init = chain.call("init");
        chain.state(init, b"begin");
        assert_eq!(chain.good(), (Some(&b"begin"[..]), None));
        let saved = chain.past.good_at;
        let (one, two) = (chain.call("handle-send"), chain.call("handle-send"));
        chain.unsaved(one);
        chain.unsaved(two);
        assert_eq!(chain.good(), (Some(&b"begin"[..]), Some(saved + 1)), "both have to be run again");
        chain.write(EventKind::SNAPSHOT, payload::encode(&Snapshot { state: Some("whole".into()) }));
        assert_eq!(chain.good(), (Some(&b"whole"[..]), None));
        let failed = chain.call("handle-send");
        chain.return_with(
            failed,
            Return { error: Some("no".into()), state_len: Some(5), ..Return::default() },
        );
        assert_eq!(chain.good(), (Some(&b"whole"[..]), None), "an error keeps the state");
        let gone = chain.call("handle-send");
        chain.return_with(gone, Return::default());
        assert_eq!(chain.good(), (None, None), "a state may go away");
    }

    #[test]
    fn what_was_accepted_and_not_handled_stays_in_its_order() {
        let mut chain = Writing::new();
        chain.start(1, Origin::Init);
        let init = chain.call("init");
        let early = chain.call("handle-send");
        chain.state(init, b"x");
        let late = chain.call("handle-send");
        let third = chain.call("handle-send");
        chain.state(early, b"y");
        chain.return_with(third, Return { unhandled: true, ..Return::default() });
        assert_eq!(chain.past.pending.keys().copied().collect::<Vec<_>>(), [late]);
        let reason = ExitReason::OutOfMemory { limit: 1 };
        let exited = Exited { incarnation: Incarnation(1), reason: reason.clone(), call: Some(late) };
        chain.write(EventKind::EXITED, payload::encode(&exited));
        assert!(chain.past.pending.is_empty(), "what a life crashed in is not handled again");
        assert_eq!(chain.past.ended, Some(reason));
    }

    #[test]
    fn a_channel_is_open_from_the_yes_to_the_close_of_either_end_and_keeps_its_record_from_being_pruned() {
        let mut chain = Writing::new();
        chain.start(1, Origin::Init);
        let init = chain.call("init");
        chain.state(init, b"x");
        let other = ActorId::from_parts(2, [2; 10]);
        let channel_call = |chain: &mut Writing, function: &'static str, channel: &'static str| {
            let call = Call {
                function: function.into(),
                from: Some(other),
                subject: Some(channel.into()),
                data: None,
                error_type: None,
            };
            chain.write(EventKind::CALL, payload::encode(&call))
        };
        for (channel, yes) in [("refused", false), ("accepted", true)] {
            let call = channel_call(&mut chain, "handle-channel-open", channel);
            assert!(!chain.past.accepted.contains_key(channel), "nobody has said yes");
            chain.return_with(call, Return { accepted: Some(yes), ..Return::default() });
            assert_eq!(chain.past.accepted.contains_key(channel), yes);
        }
        let opened = HostCall::Answered { subject: Some(other.to_string()), data: Some("opened".into()) };
        let opened_at = chain.write(EventKind::OPEN_CHANNEL, payload::encode(&opened));
        assert_eq!(chain.past.opened.get("opened").map(|end| end.other), Some(other));
        let later = chain.call("handle-send");
        chain.state(later, b"y");
        assert!(chain.past.needed_from() < opened_at, "the yes is older");
        channel_call(&mut chain, "handle-channel-close", "accepted");
        assert!(chain.past.accepted.is_empty(), "the other end closed it");
        let closed = HostCall::Answered { subject: Some("opened".into()), data: None };
        chain.write(EventKind::CLOSE_CHANNEL, payload::encode(&closed));
        assert!(chain.past.opened.is_empty(), "it closed that itself");
    }

    #[test]
    fn a_message_that_was_interrupted_is_known_by_the_host_calls_that_it_had_made() {
        let mut chain = Writing::new();
        chain.start(1, Origin::Init);
        let init = chain.call("init");
        chain.state(init, b"x");
        chain.call("handle-send");
        assert_eq!(chain.past.interrupted(), None, "it had done nothing");
        let log = payload::encode(&HostCall::Called { subject: None, data: Some("hello".into()) });
        let first = chain.write(EventKind::LOG, log.clone());
        chain.write(EventKind::LOG, log);
        assert_eq!(chain.past.interrupted(), Some(first));
        assert!(chain.past.needed_from() < first, "the state and the message are needed too");
        chain.start(2, Origin::LastGood);
        assert_eq!(chain.past.interrupted(), None);
    }
}

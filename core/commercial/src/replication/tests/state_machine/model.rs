//! What can happen, and what must come of it.

use alloc::collections::BTreeMap;
use alloc::vec;

use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

/// What can happen.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Clients write so many new records in one transaction.
    Write(u16),
    /// A client writes a record again.
    Rewrite(prop::sample::Index),
    /// Records come from another POP, which sends them to the peer as well, or dies.
    Relay { count: u16, reaches_peer: bool },
    /// Records come from the peer itself.
    FromPeer(u16),
    /// Something happens to a request that is under way.
    OnWire(Wire, prop::sample::Index),
    /// All is well for a while.
    Settle,
    /// A request of long ago arrives, perhaps again, and its answer does.
    Late(prop::sample::Index),
    /// The machine is woken when it wants to be.
    Wake,
    /// Time passes.
    Wait(u32),
    /// A tick that nobody asked for.
    Tick,
    /// The server is killed and starts again; of its last cursors so many were not stored.
    Restart(u8),
    /// The peer says hello.
    PeerStarts,
    /// The peer starts with an empty data directory.
    PeerEmptied,
    /// The peer's disk is put back to what it was some frames ago.
    PeerForgets(u8),
    /// An operator asks for another try, or the epoch changes.
    Resumed(bool),
}

/// What can happen to a request that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wire {
    /// It arrives, and its answer does.
    Answer,
    /// It arrives, and its answer takes its time.
    Arrive,
    /// It is lost.
    LoseRequest,
    /// It arrives, and its answer is lost.
    LoseAnswer,
    /// Somebody else answers, as if it had been his.
    Misdirect,
}

/// What clients wrote and know to be safe: the truth that the peer must end up with.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) record_bytes: u64,
    pub(super) last: u64,
    /// Every record by its newest sequence number.
    pub(super) newest: BTreeMap<u32, u64>,
}

impl Model {
    fn change(&mut self, count: u16) {
        for _ in 0..count {
            self.last += 1;
            self.newest.insert(u32::try_from(self.last).unwrap(), self.last);
        }
    }

    fn rewritten(&self, record: &prop::sample::Index) -> Option<u32> {
        (!self.newest.is_empty())
            .then(|| *self.newest.keys().nth(record.index(self.newest.len())).unwrap())
    }
}

pub(super) struct Outages;

impl ReferenceStateMachine for Outages {
    type State = Model;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Model> {
        // Small records fill the window's frames, large ones its bytes.
        prop_oneof![Just(100), Just(30 * 1024)]
            .prop_map(|record_bytes| Model { record_bytes, ..Model::default() })
            .boxed()
    }

    fn transitions(_: &Model) -> BoxedStrategy<Step> {
        let index = any::<prop::sample::Index>;
        let wire = prop_oneof![
            12 => Just(Wire::Answer),
            4 => Just(Wire::Arrive),
            2 => Just(Wire::LoseRequest),
            2 => Just(Wire::LoseAnswer),
            1 => Just(Wire::Misdirect),
        ];
        prop_oneof![
            6 => (1u16..250).prop_map(Step::Write),
            1 => (800u16..1_200).prop_map(Step::Write),
            4 => index().prop_map(Step::Rewrite),
            2 => (1u16..150, any::<bool>())
                .prop_map(|(count, reaches_peer)| Step::Relay { count, reaches_peer }),
            2 => (1u16..150).prop_map(Step::FromPeer),
            30 => (wire, index()).prop_map(|(wire, at)| Step::OnWire(wire, at)),
            3 => Just(Step::Settle),
            4 => index().prop_map(Step::Late),
            6 => Just(Step::Wake),
            3 => (0u32..40_000).prop_map(Step::Wait),
            1 => Just(Step::Tick),
            2 => (0u8..4).prop_map(Step::Restart),
            1 => Just(Step::PeerStarts),
            2 => Just(Step::PeerEmptied),
            4 => (1u8..4).prop_map(Step::PeerForgets),
            1 => any::<bool>().prop_map(Step::Resumed),
        ]
        .boxed()
    }

    fn apply(mut model: Model, step: &Step) -> Model {
        match step {
            Step::Write(count) | Step::FromPeer(count) | Step::Relay { count, .. } => {
                model.change(*count);
            }
            Step::Rewrite(record) => {
                if let Some(record) = model.rewritten(record) {
                    model.last += 1;
                    model.newest.insert(record, model.last);
                }
            }
            _ => {}
        }
        model
    }
}

//! The tarpit against a model that keeps its clients in a list and looks at all of them.

use proptest::prelude::*;

use super::*;

const HELD_MAX: u32 = 6;
const PER_ADDRESS: u32 = 3;

#[derive(Clone, Debug)]
enum Event {
    Arrive(u8),
    Leave(usize),
    Tick,
    Pass(u64),
}

struct Client {
    held: Held,
    address: u8,
    due_ms: u64,
    sent: u8,
}

#[derive(Default)]
struct Model {
    clients: Vec<Client>,
}

impl Model {
    fn takes(&self, address: u8) -> bool {
        let of_address = self.clients.iter().filter(|client| client.address == address).count();
        self.clients.len() < HELD_MAX as usize && of_address < PER_ADDRESS as usize
    }

    fn tick(&mut self, now_ms: u64) -> BTreeSet<(u64, Held, u8)> {
        let mut served = BTreeSet::new();
        for client in self.clients.iter_mut().filter(|client| client.due_ms <= now_ms) {
            served.insert((client.due_ms, client.held, client.sent));
            client.sent += 1;
            client.due_ms += 1_000;
            if client.due_ms <= now_ms {
                client.due_ms = due_ms(now_ms);
            }
        }
        self.clients.retain(|client| client.sent < BODY_BYTES);
        served
    }
}

fn due_ms(now_ms: u64) -> u64 {
    (now_ms + 1_000).div_ceil(100) * 100
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => (0u8..4).prop_map(Event::Arrive),
        1 => (0usize..64).prop_map(Event::Leave),
        4 => Just(Event::Tick),
        4 => prop_oneof![0u64..150, 0u64..1_100, 0u64..9_000].prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 0..300)
}

proptest! {
    #[test]
    fn the_tarpit_does_what_a_list_of_clients_would(events in events()) {
        let limits = Limits { held_max: HELD_MAX, per_address: Some(PER_ADDRESS) };
        let (mut tarpit, mut model, mut ever) = (Tarpit::new(limits), Model::default(), vec![]);
        let mut now_ms = 0;
        for event in events {
            match event {
                Event::Pass(ms) => now_ms += ms,
                Event::Arrive(address) => {
                    let takes = model.takes(address);
                    let held = arrive(&mut tarpit, now_ms, IpAddr::from([192, 0, 2, address]));
                    prop_assert_eq!(held.is_some(), takes);
                    if let Some(held) = held {
                        prop_assert!(!ever.contains(&held), "no name is given twice");
                        ever.push(held);
                        model.clients.push(Client {
                            held,
                            address,
                            due_ms: due_ms(now_ms),
                            sent: 0,
                        });
                    }
                }
                Event::Leave(which) => {
                    let Some(held) = ever.get(which % ever.len().max(1)).copied() else { continue };
                    leave(&mut tarpit, now_ms, held);
                    model.clients.retain(|client| client.held != held);
                }
                Event::Tick => {
                    let served = model.tick(now_ms);
                    let ordered = handle(&mut tarpit, now_ms, Input::Tick);
                    prop_assert_eq!(ordered.len(), served.len());
                    let ordered: BTreeSet<(Held, u8)> = ordered
                        .into_iter()
                        .map(|effect| match effect {
                            Effect::Drip { held, at } => (held, at),
                            Effect::Finish { held } => (held, BODY_BYTES - 1),
                            other => panic!("a tick only serves: {other:?}"),
                        })
                        .collect();
                    prop_assert_eq!(
                        ordered,
                        served.into_iter().map(|(_, held, at)| (held, at)).collect()
                    );
                }
            }
            let wake = model.clients.iter().map(|client| client.due_ms).min();
            prop_assert_eq!(tarpit.next_wake(), wake.map(Instant::from_ms));
            prop_assert_eq!(tarpit.totals().held as usize, model.clients.len());
        }
    }
}

use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::time::UnixTime;

use super::*;

fn item(count: u32) -> Item {
    let alert = Alert::new(AlertType::ClockSkew, "off \"by\" a lot").with("peer", "b\n");
    let sender = Sender { hostname: "vault-1".to_owned(), region: "ca-west".to_owned() };
    let at = Some(UnixTime(1_700_000_000_123));
    Item { number: 7, key: [0xAB; 16], alert, count, at, sender, doubts: 0 }
}

#[test]
fn the_body_has_exactly_these_keys_and_a_count_only_of_more_than_one() {
    assert_eq!(
        body("commercial", &item(1)),
        r#"{"details":{"peer":"b\n"},"edition":"commercial","hostname":"vault-1","message":"off \"by\" a lot","pop_region":"ca-west","timestamp":"2023-11-14T22:13:20.123Z","type":"clock_skew"}"#
    );
    let body: serde_json::Value = serde_json::from_str(&body("commercial", &item(12))).unwrap();
    assert_eq!(body["details"], json!({"count": "12", "peer": "b\n"}));
}

#[test]
fn the_key_is_a_header_of_hexadecimal_digits() {
    assert_eq!(key(&item(1)).unwrap(), "ab".repeat(16));
    let low = Item { key: [[0; 15].as_slice(), &[0x0F]].concat().try_into().unwrap(), ..item(1) };
    assert_eq!(key(&low).unwrap(), "0000000000000000000000000000000f");
}

mod outbox_table {
    use clavitor_commercial::alerts::outbox::{Loaded, OUTBOX};
    use clavitor_core::store::RowsMut;
    use clavitor_node::store::{Opening, export_to, import_from};

    use super::*;
    use crate::apply::tests::fixtures::{Dir, MIB, Receiver, monday, open_tables};

    fn numbered(number: u64) -> Item {
        Item { number, at: None, ..item(1) }
    }

    fn keep(store: &Store, put: Vec<Item>, remove: Vec<u64>) -> UnixTime {
        let kept =
            store.write_blocking::<_, (), _>(move |txn| Ok(outbox::keep(txn, &put, &remove)?));
        kept.unwrap()
    }

    fn load(store: &Store) -> Loaded {
        store.read(|reader| outbox::load(reader.rows())).unwrap()
    }

    #[test]
    fn what_is_kept_is_loaded_in_order_and_stamped_once() {
        let receiver = Receiver::new();
        let early = Item { at: Some(UnixTime(5)), ..numbered(3) };
        let at = keep(&receiver.store, vec![numbered(300), numbered(2), early.clone()], vec![]);
        assert_eq!(at, monday());
        let again = Item { count: 9, at: Some(at), ..numbered(2) };
        keep(&receiver.store, vec![again.clone()], vec![300, 999]);
        let receiver = receiver.reopened(64 * MIB, monday);
        assert_eq!(load(&receiver.store), Loaded { items: vec![again, early], damaged: vec![] });
    }

    #[test]
    fn damaged_rows_are_told_and_skipped() {
        let receiver = Receiver::new();
        keep(&receiver.store, vec![numbered(1), numbered(2)], vec![]);
        let spoil = receiver.store.write_blocking::<_, (), _>(|txn| {
            txn.rows_mut().put(OUTBOX, &7_u64.to_be_bytes(), b"\x01nonsense")?;
            txn.rows_mut().put(OUTBOX, &8_u64.to_be_bytes(), &[])?;
            let other = clavitor_core::codec::encode(&numbered(1));
            txn.rows_mut().put(OUTBOX, &9_u64.to_be_bytes(), &other)?;
            Ok(txn.rows_mut().put(OUTBOX, b"no number", &other)?)
        });
        spoil.unwrap();
        let loaded = load(&receiver.store);
        let numbers: Vec<u64> = loaded.items.iter().map(|item| item.number).collect();
        assert_eq!((numbers, loaded.damaged), (vec![1, 2], vec![7, 8, 9]));
    }

    #[test]
    fn an_export_has_nothing_of_it() {
        let receiver = Receiver::new();
        keep(&receiver.store, vec![numbered(1)], vec![]);
        let mut file = Vec::new();
        export_to(&receiver.store, &mut file).unwrap();
        let dir = Dir::new();
        let opening = Opening { dir: dir.path(), bytes_max: 64 * MIB, pop: None };
        import_from(&mut file.as_slice(), &opening, monday, &mut |_| {}).unwrap();
        let store = Store::open(&opening, monday, |error| panic!("{error}")).unwrap();
        open_tables(&store);
        assert_eq!(load(&store), Loaded::default());
    }
}

mod mailbox {
    use super::*;
    use crate::apply::tests::cluster::{A, Cluster};

    #[test]
    fn alerts_that_find_it_full_are_reported_as_lost() {
        let mut cluster = Cluster::stopped(1);
        cluster.telemetry = Some(TelemetrySettings {
            host: "http://hq".to_owned(),
            token: None,
            freq_s: 60,
            region: String::new(),
        });
        cluster.start(A);
        let commercial = cluster.commercial(A).clone();
        while commercial.mailbox.offer(Input::Resumed) {}
        (0..3).for_each(|_| commercial.alert_operator(item(1).alert));
        for _ in 0..100 {
            cluster.executor.run();
            cluster.write_out();
        }
        let posts = cluster.executor.collect();
        assert_eq!(posts.len(), 1);
        let body: serde_json::Value = serde_json::from_slice(&posts[0].body).unwrap();
        assert_eq!(
            (&body["type"], &body["details"]["count"]),
            (&"alerts_lost".into(), &"3".into())
        );
        assert_eq!(commercial.alerts.seen(), View { waiting: 1, sent: 0, lost: 3 });
        let line = &lock(&cluster.pops[A].alerts)[3];
        assert_eq!(line.details["count"], "3", "and here, once, after their own lines");
        assert_eq!(commercial.alerts.take_dropped(), 0);
    }
}

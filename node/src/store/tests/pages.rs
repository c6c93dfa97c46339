//! Lists of entries, page by page.

use super::*;

fn filled(dir: &Dir) -> Store {
    let store = dir.open();
    let other = VaultName::try_from("v2".to_string()).unwrap();
    let filled = store.write_blocking::<_, (), _>(move |txn| {
        for name in ["b/1", "b/2", "a", "c", "b/3", "gone"] {
            write(txn, name, Some(name.as_bytes()))?;
        }
        let mut elsewhere = version(txn, "b/9", Some(b""))?;
        elsewhere.head.item =
            Item::Entry { vault: other.clone(), entry: entry("b/9"), deleted: false };
        txn.put(&elsewhere, None)?;
        write(txn, "gone", None).map_err(Stop::from)
    });
    filled.unwrap();
    store
}

fn page(store: &Store, prefix: &str, after: Option<&str>, limit: usize) -> (Vec<String>, bool) {
    let page = store.read(|reader| reader.entries(&vault(), prefix, after, limit));
    let page = page.unwrap();
    let names = page.rows.iter().map(|row| row.entry.as_str().to_owned());
    (names.collect(), page.has_more)
}

fn names<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

#[test]
fn a_vault_is_listed_in_the_order_of_names_without_what_is_deleted() {
    let dir = Dir::new();
    let store = filled(&dir);
    let all = names(["a", "b/1", "b/2", "b/3", "c"]);
    assert_eq!(page(&store, "", None, 10), (all.clone(), false));
    assert_eq!(page(&store, "", None, 5), (all, false));
    let unknown = VaultName::try_from("w".to_string()).unwrap();
    let nothing = store.read(|reader| reader.entries(&unknown, "", None, 10));
    assert_eq!(nothing, Ok(EntryPage::default()));
}

#[test]
fn pages_continue_where_the_last_one_ended() {
    let dir = Dir::new();
    let store = filled(&dir);
    assert_eq!(page(&store, "", None, 2), (names(["a", "b/1"]), true));
    assert_eq!(page(&store, "", Some("b/1"), 2), (names(["b/2", "b/3"]), true));
    assert_eq!(page(&store, "", Some("b/3"), 2), (names(["c"]), false));
    assert_eq!(page(&store, "", Some("c"), 2), (vec![], false));
    assert_eq!(page(&store, "", Some("b/25"), 1), (names(["b/3"]), true));
}

#[test]
fn a_prefix_bounds_a_list_at_both_ends() {
    let dir = Dir::new();
    let store = filled(&dir);
    assert_eq!(page(&store, "b/", None, 10), (names(["b/1", "b/2", "b/3"]), false));
    assert!(!page(&store, "b/", None, 3).1);
    assert_eq!(page(&store, "b/", Some("a"), 1), (names(["b/1"]), true));
    assert_eq!(page(&store, "b/", Some("b/2"), 9), (names(["b/3"]), false));
    assert_eq!(page(&store, "b/", Some("c"), 9), (vec![], false));
    assert_eq!(page(&store, "x", None, 9), (vec![], false));
}

#[test]
fn a_row_says_what_its_record_says() {
    let dir = Dir::new();
    let store = filled(&dir);
    let listed = store.read(|reader| reader.entries(&vault(), "b/2", None, 1));
    let stored = get(&store, "b/2").unwrap();
    let row =
        EntryRow { entry: entry("b/2"), hlc: stored.record.head.hlc, seq: stored.seq, bytes: 3 };
    assert_eq!(listed.unwrap().rows, [row]);
}

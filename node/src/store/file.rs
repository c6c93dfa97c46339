//! Tells a store's file that was cut short from a sound one.
//!
//! LMDB never writes a page that was taken and given back within one transaction, so a sound file
//! may end before its last page: what is missing is listed as free. Whatever else is missing would
//! kill the process when it is touched, so this reads the pages by hand (LMDB's data version 1),
//! before the file is mapped.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const MAGIC: u32 = 0xBEEF_C0DE;
const DATA_VERSION: u32 = 1;

/// LMDB's page numbers, sizes and pointers are machine words.
const WORD: usize = size_of::<usize>();

/// A page begins with its number, two bytes of padding, flags, and two bounds of its free space.
const PAGE_HEAD: usize = WORD + 8;
const PAGE_FLAGS: usize = WORD + 2;
const PAGE_LOWER: usize = WORD + 4;
const IS_BRANCH: u16 = 1;

/// A node begins with the size of its data in two halves, flags and the size of its key.
const NODE_HEAD: usize = 8;
const IS_ELSEWHERE: u16 = 1;

/// A tree is described in four numbers of eight bytes together, then five words, the last its root.
const TREE: usize = 8 + 5 * WORD;
const TREE_ROOT: usize = TREE - WORD;

/// A meta page: magic, version, address, size of the map, the trees of free pages and of tables,
/// the last page, the transaction. The tree of free pages begins with the size of a page.
const META_FREE: usize = PAGE_HEAD + 8 + 2 * WORD;
const META_LAST: usize = META_FREE + 2 * TREE;
const META_TRANSACTION: usize = META_LAST + WORD;
const META: usize = META_TRANSACTION + WORD;

/// More levels than a tree can have.
const LEVELS_MAX: u8 = 32;

/// Whether the file has all its pages but free ones. A file that is not LMDB's is for LMDB to judge.
pub(super) fn is_whole(file: &File) -> io::Result<bool> {
    let bytes = file.metadata()?.len();
    let first = Meta::read(file, 0);
    let second = first.as_ref().and_then(|meta| Meta::read(file, meta.page_bytes));
    let Some(meta) = first.into_iter().chain(second).max_by_key(|meta| meta.transaction) else {
        return Ok(true);
    };
    let pages = Pages { file, page_bytes: meta.page_bytes, count: bytes / meta.page_bytes };
    let missing = (meta.last + 1).saturating_sub(pages.count);
    Ok(missing == 0 || pages.count_missing_free(meta.free_root, LEVELS_MAX) == Some(missing))
}

struct Meta {
    page_bytes: u64,
    free_root: u64,
    last: u64,
    transaction: u64,
}

impl Meta {
    fn read(file: &File, at: u64) -> Option<Self> {
        let mut bytes = [0; META];
        file.read_exact_at(&mut bytes, at).ok()?;
        let is_ours = half(&bytes, PAGE_HEAD)? == MAGIC;
        let meta = Self {
            page_bytes: half(&bytes, META_FREE)?.into(),
            free_root: word(&bytes, META_FREE + TREE_ROOT)?,
            last: word(&bytes, META_LAST)?,
            transaction: word(&bytes, META_TRANSACTION)?,
        };
        let is_known = half(&bytes, PAGE_HEAD + 4)? == DATA_VERSION && meta.page_bytes >= 512;
        (is_ours && is_known).then_some(meta)
    }
}

struct Pages<'f> {
    file: &'f File,
    page_bytes: u64,
    count: u64,
}

impl Pages<'_> {
    fn read(&self, number: u64, count: u64) -> Option<Vec<u8>> {
        if number.checked_add(count)? > self.count {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(count * self.page_bytes).ok()?];
        let at = number * self.page_bytes;
        self.file.read_exact_at(&mut bytes, at).ok()?;
        Some(bytes)
    }

    /// How many of the free pages below the tree's page `number` are beyond the end of the file;
    /// `None` if the tree itself is damaged.
    fn count_missing_free(&self, number: u64, levels: u8) -> Option<u64> {
        let page = self.read(number, 1)?;
        let is_branch = u16_at(&page, PAGE_FLAGS)? & IS_BRANCH != 0;
        let nodes = usize::from(u16_at(&page, PAGE_LOWER)?).checked_sub(PAGE_HEAD)? / 2;
        let mut missing = 0;
        for at in 0..nodes {
            let node = page.get(u16_at(&page, PAGE_HEAD + 2 * at)?.into()..)?;
            let size = u64::from(half(node, 0)?);
            let flags = u16_at(node, 4)?;
            missing += if is_branch {
                // The flags of a branch are the upper part of its child's number.
                let child = size | u64::from(flags) << 32;
                self.count_missing_free(child, levels.checked_sub(1)?)?
            } else {
                let data = node.get(NODE_HEAD + usize::from(u16_at(node, 6)?)..)?;
                self.count_missing_listed(data, size, flags & IS_ELSEWHERE != 0)?
            };
        }
        Some(missing)
    }

    /// The same for one list: how many there are, then their numbers.
    fn count_missing_listed(&self, data: &[u8], size: u64, is_elsewhere: bool) -> Option<u64> {
        let elsewhere;
        let list = if is_elsewhere {
            let pages = (PAGE_HEAD as u64 + size).div_ceil(self.page_bytes);
            elsewhere = self.read(word(data, 0)?, pages)?;
            elsewhere.get(PAGE_HEAD..)?
        } else {
            data
        };
        let list = list.get(..usize::try_from(size).ok()?)?;
        let count = usize::try_from(word(list, 0)?).ok()?;
        let mut numbers = (1..=count).map(|at| word(list, at.checked_mul(WORD)?));
        numbers.try_fold(0, |missing, number| Some(missing + u64::from(number? >= self.count)))
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let word = usize::from_ne_bytes(*bytes.get(at..)?.first_chunk()?);
    u64::try_from(word).ok()
}

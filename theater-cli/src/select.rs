//! Which actor a user means.

use theater_core::ActorId;

use crate::text::printable;

/// What an actor can be called by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Called {
    pub(crate) id: ActorId,
    /// The name in its manifest.
    pub(crate) name: String,
    /// The root's name, then for each level the id among the siblings, or the name where there is none.
    pub(crate) path: Vec<String>,
}

impl Called {
    /// Its path as text.
    pub(crate) fn path(&self) -> String {
        self.path.join("/")
    }

    fn answers_to(&self, text: &str) -> bool {
        let own = self.path.last().is_some_and(|own| own == text);
        let below_root = || self.path.get(1..).is_some_and(|rest| !rest.is_empty() && rest.join("/") == text);
        own || self.name == text || self.path() == text || below_root()
    }

    /// Ids are shown by their last digits.
    fn ends_with(&self, text: &str) -> bool {
        text.len() >= 8
            && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
            && self.id.to_string().ends_with(text)
    }
}

/// Why it is not clear which actor is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unclear {
    /// There is none of that name.
    Unknown(String),
    /// There are several.
    Ambiguous(String),
}

impl Unclear {
    /// What to tell the user.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Unknown(text) | Self::Ambiguous(text) => text,
        }
    }
}

/// Actors that are listed where several are meant.
const LISTED: usize = 20;

/// The actor that is meant: by its id, the end of its id, its name, or its path with or without the root.
pub(crate) fn find<'a>(actors: &'a [Called], text: &str) -> Result<&'a Called, Unclear> {
    if let Ok(id) = text.parse::<ActorId>() {
        let found = actors.iter().find(|actor| actor.id == id);
        return found.ok_or_else(|| Unclear::Unknown(format!("there is no actor {id}")));
    }
    let mut found: Vec<_> = actors.iter().filter(|actor| actor.answers_to(text)).collect();
    if found.is_empty() {
        found = actors.iter().filter(|actor| actor.ends_with(text)).collect();
    }
    match found[..] {
        [one] => Ok(one),
        [] => Err(unknown(actors, text)),
        _ => Err(ambiguous(&found, text)),
    }
}

fn unknown(actors: &[Called], text: &str) -> Unclear {
    let mut message = format!("there is no actor `{}`", printable(text));
    let paths: Vec<_> = actors.iter().map(Called::path).collect();
    let own = actors.iter().filter_map(|actor| actor.path.last().map(String::as_str));
    let words = own.chain(actors.iter().map(|actor| &*actor.name)).chain(paths.iter().map(String::as_str));
    let near: Vec<_> =
        nearest(text, words).iter().take(3).map(|near| format!("`{}`", printable(near))).collect();
    if near.is_empty() {
        message.push_str("; `theater chain ls` lists them");
    } else {
        message.push_str(&format!("; the nearest: {}", near.join(", ")));
    }
    Unclear::Unknown(message)
}

fn ambiguous(found: &[&Called], text: &str) -> Unclear {
    let mut message =
        format!("{} actors are called `{}`; say which by its id:", found.len(), printable(text));
    for actor in found.iter().take(LISTED) {
        message.push_str(&format!("\n{}  {}", actor.id, printable(&actor.path())));
    }
    if found.len() > LISTED {
        message.push_str(&format!("\nand {} more", found.len() - LISTED));
    }
    Unclear::Ambiguous(message)
}

/// The words that are near to a text, the nearest first, none twice.
pub(crate) fn nearest<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut near: Vec<_> = words
        .map(|word| (strsim::damerau_levenshtein(text, word), word))
        .filter(|(distance, word)| *distance <= 1.max(word.chars().count() / 3))
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().map(|(_, word)| word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(n: u8, path: &[&str]) -> Called {
        let id = ActorId::from_parts(1_764_000_000_000, [n; 10]);
        let name = if path.len() == 1 { path[0] } else { "worker" };
        Called { id, name: name.to_owned(), path: path.iter().map(|part| (*part).to_owned()).collect() }
    }

    fn tree() -> Vec<Called> {
        vec![called(1, &["shop"]), called(2, &["shop", "data"]), called(3, &["shop", "data", "store"])]
    }

    #[test]
    fn an_actor_is_found_by_id_end_of_id_name_and_path() {
        let actors = tree();
        let id = actors[2].id.to_string();
        for text in [&*id, &id[28..], "store", "data/store", "shop/data/store"] {
            assert_eq!(find(&actors, text).unwrap().id, actors[2].id, "{text}");
        }
        assert_eq!(find(&actors, "shop").unwrap().id, actors[0].id);
    }

    #[test]
    fn a_name_of_several_is_refused_with_their_ids_and_an_unknown_one_with_what_is_near() {
        let actors = tree();
        let Err(Unclear::Ambiguous(text)) = find(&actors, "worker") else { panic!("two are called so") };
        assert!(text.contains(&actors[1].id.to_string()) && text.contains("shop/data/store"), "{text}");
        let Err(Unclear::Unknown(text)) = find(&actors, "stoer") else { panic!("none is called so") };
        assert_eq!(text, "there is no actor `stoer`; the nearest: `store`");
        let Err(Unclear::Unknown(text)) = find(&actors, "zzzzzz") else { panic!("none is called so") };
        assert!(text.ends_with("`theater chain ls` lists them"), "{text}");
    }
}

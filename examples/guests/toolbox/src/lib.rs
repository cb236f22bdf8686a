//! Calls the host functions that a message names, and answers with what came back.
//!
//! A message has one call per line: the interface, the function, and its arguments, separated by tabs. The answer has one line per
//! call: the value, or `error: ` and what the guest was told. Lists are joined by commas; no value is `none`, bytes are
//! hexadecimal digits. The state is the last answer, so that a state that differs shows that an answer did.

use theater::simple::store::ContentRef;
use theater::simple::{environment, random, store, timing};

wit_bindgen::generate!({
    inline: "
        package example:toolbox;

        world toolbox {
            include theater:simple/messenger;
            import theater:simple/timing;
            import theater:simple/random;
            import theater:simple/environment;
            import theater:simple/store;
        }
    ",
    path: "../../../wit",
    generate_all,
});

struct Toolbox;

export!(Toolbox);

guest_kit::answer_messages!(Toolbox, answer);

fn answer(message: &[u8]) -> Result<Vec<u8>, String> {
    guest_kit::answer_lines(message, call)
}

fn call(line: &str) -> Result<String, String> {
    let mut words = line.split('\t');
    let (interface, function) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut next = || words.next().unwrap_or_default();
    match interface {
        "timing" => time(function, next()),
        "random" => value(function, next(), next()),
        "environment" => variable(function, next()),
        "store" => keep(function, next(), next(), next()),
        _ => Err(format!("no interface {interface}")),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("not a number: {text}"))
}

fn done(result: Result<(), String>) -> Result<String, String> {
    result.map(|()| "ok".to_owned())
}

fn time(function: &str, argument: &str) -> Result<String, String> {
    match function {
        "now" => Ok(timing::now().to_string()),
        "sleep" => done(timing::sleep(number(argument)?)),
        "deadline" => done(timing::deadline(number(argument)?)),
        _ => Err(format!("no function {function}")),
    }
}

fn value(function: &str, first: &str, second: &str) -> Result<String, String> {
    match function {
        "bytes" => {
            let bytes = random::random_bytes(number(first)?)?;
            Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
        }
        "range" => random::random_range(number(first)?, number(second)?).map(|number| number.to_string()),
        "float" => random::random_float().map(|number| number.to_string()),
        "uuid" => random::generate_uuid(),
        _ => Err(format!("no function {function}")),
    }
}

fn variable(function: &str, name: &str) -> Result<String, String> {
    match function {
        "get" => Ok(environment::get_var(name).unwrap_or_else(|| "none".to_owned())),
        "list" => {
            let all = environment::list_vars();
            Ok(all.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(","))
        }
        "exists" => Ok(environment::exists(name).to_string()),
        _ => Err(format!("no function {function}")),
    }
}

/// `second` and `third` are what the function takes after the store: a label, a hash, or a content.
fn keep(function: &str, id: &str, second: &str, third: &str) -> Result<String, String> {
    let at = |hash: &str| ContentRef { hash: hash.to_owned() };
    let hash = |kept: Result<ContentRef, String>| kept.map(|kept| kept.hash);
    match function {
        "new" => store::new(),
        "store" => hash(store::store(id, second.as_bytes())),
        "fill" => hash(store::store(id, &vec![b'x'; number(second)?])),
        "get" => store::get(id, &at(second)).map(|content| String::from_utf8_lossy(&content).into_owned()),
        "exists" => store::exists(id, &at(second)).map(|there| there.to_string()),
        "label" => done(store::label(id, second, &at(third))),
        "get-by-label" => {
            store::get_by_label(id, second).map(|found| found.map_or_else(|| "none".to_owned(), |at| at.hash))
        }
        "remove-label" => done(store::remove_label(id, second)),
        "remove-from-label" => done(store::remove_from_label(id, second, &at(third))),
        "store-at-label" => hash(store::store_at_label(id, second, third.as_bytes())),
        "replace-content-at-label" => hash(store::replace_content_at_label(id, second, third.as_bytes())),
        "replace-at-label" => done(store::replace_at_label(id, second, &at(third))),
        "list-labels" => store::list_labels(id).map(|labels| labels.join(",")),
        "list-all-content" => {
            let all = store::list_all_content(id)?;
            Ok(all.into_iter().map(|kept| kept.hash).collect::<Vec<_>>().join(","))
        }
        "calculate-total-size" => store::calculate_total_size(id).map(|size| size.to_string()),
        _ => Err(format!("no function {function}")),
    }
}

//! The least that an actor can be: it exports `init` and nothing else, so nobody can send it anything.

use exports::theater::simple::actor::Guest;
use guest_kit as _;
use theater::simple::runtime::log;

wit_bindgen::generate!({ world: "minimal", path: "../../../wit" });

struct Bare;

export!(Bare);

impl Guest for Bare {
    fn init(state: Option<Vec<u8>>, (id,): (String,)) -> Result<(Option<Vec<u8>>,), String> {
        log(&format!("{id} has started"));
        Ok((state,))
    }
}

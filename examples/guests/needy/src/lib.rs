//! Imports an interface that nobody provides, so a runtime has to refuse it before it runs.

use example::nowhere::oracle::foretell;
use exports::theater::simple::actor::Guest;

wit_bindgen::generate!({
    inline: "
        package example:nowhere;

        interface oracle {
            foretell: func(question: string) -> string;
        }

        world needy {
            include theater:simple/minimal;
            import oracle;
        }
    ",
    path: "../../../wit",
    generate_all,
});

struct Needy;

export!(Needy);

impl Guest for Needy {
    fn init(_: Option<Vec<u8>>, (id,): (String,)) -> Result<(Option<Vec<u8>>,), String> {
        Ok((Some(foretell(&id).into_bytes()),))
    }
}

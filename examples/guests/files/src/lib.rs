//! Calls the host functions of filesystem that a message names.
//!
//! A message has one call per line, its words separated by tabs: function, path, further arguments. In a word, `\0` is the zero
//! character. The answer has one line per call: what came back, or `error: ` and why not. The state is the last answer, so that a
//! state that differs shows that an answer did.

use theater::simple::filesystem;

wit_bindgen::generate!({
    inline: "
        package example:files;

        world files {
            include theater:simple/messenger;
            import theater:simple/filesystem;
        }
    ",
    path: "../../../wit",
    generate_all,
});

struct Files;

export!(Files);

guest_kit::answer_messages!(Files, answer);

fn answer(message: &[u8]) -> Result<Vec<u8>, String> {
    guest_kit::answer_lines(message, call)
}

fn call(line: &str) -> Result<String, String> {
    let words: Vec<_> = line.split('\t').map(|word| word.replace("\\0", "\0")).collect();
    let word = |index: usize| words.get(index).map(String::as_str).unwrap_or_default();
    let (path, argument) = (word(1), word(2));
    let done = |result: Result<(), String>| result.map(|()| "ok".to_owned());
    let ran = |result: Result<_, String>| result.map(|_| "ran".to_owned());
    match word(0) {
        "read" => filesystem::read_file(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        "write" => done(filesystem::write_file(path, argument)),
        // So many bytes.
        "fill" => {
            let size = argument.parse().map_err(|_| format!("not a number: {argument}"))?;
            done(filesystem::write_file(path, &"x".repeat(size)))
        }
        "list" => filesystem::list_files(path).map(|names| names.join(",")),
        "delete" => done(filesystem::delete_file(path)),
        "create-dir" => done(filesystem::create_dir(path)),
        "delete-dir" => done(filesystem::delete_dir(path)),
        "exists" => filesystem::path_exists(path).map(|there| there.to_string()),
        "execute" => ran(filesystem::execute_command(path, argument, &words[words.len().min(3)..])),
        "execute-nix" => ran(filesystem::execute_nix_command(path, argument)),
        function => Err(format!("no function {function}")),
    }
}

//! The page on threats claims nothing that no test shows.

use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of this repository") {
        let path = entry.expect("a folder of this repository").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/threat-model.md")).unwrap();
    let mut files = Vec::new();
    let crates = ["theater-core", "theater-chain", "theater-wasm", "theater-testkit", "theater-cli"];
    for folder in crates.iter().flat_map(|name| [format!("{name}/src"), format!("{name}/tests")]) {
        sources(&root.join(folder), &mut files);
    }
    let code: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let is_name = |text: &&str| {
        text.len() > 30 && text.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
    };
    let names: Vec<&str> = page.split('`').skip(1).step_by(2).filter(is_name).collect();
    assert!(names.len() >= 20, "{names:?}");
    for name in names {
        assert!(
            code.contains(&format!("fn {name}(")),
            "docs/threat-model.md names {name}, and there is no such test"
        );
    }
}

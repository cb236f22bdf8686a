//! The seeds of the fuzz targets, and what fuzzing has found, through the functions that are fuzzed.

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the same file is a library for the fuzz targets")]
mod targets;

use std::path::Path;

/// Each file of a folder of seeds; how many.
fn run(target: &str, function: fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let files = std::fs::read_dir(&folder).expect("the seeds are in the tree");
    let mut count = 0;
    for file in files {
        let path = file.expect("the folder can be read").path();
        println!("{}", path.display());
        function(&std::fs::read(&path).expect("the file can be read"));
        count += 1;
    }
    count
}

#[test]
fn no_export_makes_the_reader_or_the_verifier_panic() {
    assert!(run("chain_import", targets::chain_import) >= 3);
}

#[test]
fn no_segment_and_no_sidecar_makes_the_log_panic() {
    assert!(run("record_scanner", targets::record_scanner) >= 5);
}

#[test]
fn no_text_makes_the_reader_of_manifests_panic() {
    assert!(run("manifest", targets::manifest) >= 5);
}

/// What a fuzzer comes upon first, without a fuzzer: every byte of a good segment and of its sidecar, set to what overflows.
#[test]
fn no_single_byte_of_a_segment_or_sidecar_makes_the_log_panic() {
    for at in 0..1_000_u16 {
        let [low, high] = at.to_le_bytes();
        for kind in [1, 2, 0x81] {
            for value in [0, 1, 0x7f, 0xff] {
                targets::record_scanner(&[kind, low, high, 3, value, 0]);
            }
            targets::record_scanner(&[kind, low, high, 3, 0xff, 7]);
        }
    }
}

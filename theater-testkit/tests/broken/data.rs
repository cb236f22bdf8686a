use std::sync::Arc;
use theater_testkit::conformance::{source, store};
use crate::{sources, stores};
use source::TestSource;

#[tokio::test]
async fn prov_stores() {
    for (flaw, clause) in [(stores::Flaw::None, "-")].into_iter().chain(stores::Flaw::ALL.iter().copied()) {
        let mut failed = vec![];
        for (name, clause, run) in store::CASES {
            let r = run(Arc::new(stores::BrokenStore::new(flaw))).await;
            if let Err(e) = r { failed.push((clause, name, e.chars().take(100).collect::<String>())); }
        }
        println!("{:?} {clause} {} {:#?}", flaw, failed.iter().any(|f| *f.0 == clause), failed);
    }
}
#[tokio::test]
async fn prov_sources() {
    for (flaw, clause) in [(sources::Flaw::None, "-")].into_iter().chain(sources::Flaw::ALL.iter().copied()) {
        let mut failed = vec![];
        for (name, clause, run, needs) in source::CASES {
            let s = sources::Folders::new(flaw);
            if needs.iter().any(|n| s.lacks(*n).is_some()) { continue }
            let r = run(Box::new(s)).await;
            if let Err(e) = r { failed.push((clause, name, e.chars().take(100).collect::<String>())); }
        }
        println!("{:?} {clause} {} {:#?}", flaw, failed.iter().any(|f| *f.0 == clause), failed);
    }
}

//! Isolation: who is not an own child cannot be reached by any spelling.

use theater_core::ActorId;

use super::support::{Subject, Verdict, ensure, ensure_eq};
use crate::act::HostCall;

type Named = fn(String) -> HostCall;

/// The functions that name a child.
const NAMING: [Named; 4] =
    [HostCall::RestartChild, HostCall::StopChild, HostCall::GetChildState, HostCall::GetChildEvents];

/// That a caller is refused by all functions, whatever it writes, with an answer that says nothing about the target.
async fn refused(it: &Subject, caller: ActorId, targets: &[String]) -> Verdict {
    for call in NAMING {
        let mut answers = Vec::new();
        for target in targets {
            let call = call(target.clone());
            let function = call.function();
            match it.call(caller, call).await {
                Err(answer) if target.is_empty() => answers.push((function, answer.trim_end().to_owned())),
                Err(answer) => {
                    answers.push((function, answer.replace(target.as_str(), "").trim_end().to_owned()))
                }
                Ok(answer) => return Err(format!("{function} of {target:?} answered {answer:?}").into()),
            }
        }
        let told_apart = answers.iter().find(|answer| **answer != answers[0]);
        ensure_eq!(told_apart, None, "answers that tell targets apart, beside {:?}", answers[0]);
    }
    Ok(())
}

pub(super) async fn everybody_but_an_own_child_gets_one_answer(it: Subject) -> Verdict {
    let (root, stranger) = (it.supervisor().await?, it.supervisor().await?);
    let child = it.child(root).await?;
    let (grandchild, strange_child) = (it.child(child).await?, it.child(stranger).await?);
    let ended = it.child(stranger).await?;
    it.crash(ended).await?;
    let absent = ActorId::from_parts(4, [0x77; 10]);
    let ids = [root, stranger, grandchild, strange_child, ended, absent];
    let mut targets: Vec<_> = ids.iter().map(ToString::to_string).collect();
    targets.extend(["nonsense".to_owned(), "00000000-0000-0000-0000-000000000000".to_owned()]);
    refused(&it, root, &targets).await
}

pub(super) async fn a_refusal_touches_nobody(it: Subject) -> Verdict {
    let (root, stranger) = (it.supervisor().await?, it.supervisor().await?);
    let child = it.child(stranger).await?;
    it.set_state(child, b"secret").await?;
    let before = (it.info(child).await?, it.events(child).await?, it.events(stranger).await?);
    refused(&it, root, &[child.to_string()]).await?;
    let after = (it.info(child).await?, it.events(child).await?, it.events(stranger).await?);
    ensure!(before == after, "calls that were refused had an effect");
    Ok(())
}

pub(super) async fn a_child_cannot_reach_its_parent_or_siblings(it: Subject) -> Verdict {
    let root = it.supervisor().await?;
    let parent = it.start(Some(root), "middle infinity supervisor").await?.id;
    let sibling = it.child(root).await?;
    refused(&it, parent, &[root.to_string(), sibling.to_string(), parent.to_string()]).await?;
    ensure!(it.runs(root).await? && it.runs(sibling).await?, "somebody ended");
    Ok(())
}

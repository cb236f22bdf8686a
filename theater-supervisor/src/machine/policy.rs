//! Who is restarted, and when: the rules that depend on nothing but their arguments.

use theater_core::{ExitReason, RestartPolicy, Strategy};

/// Whether a child with this policy is started again after this exit.
///
/// | | completed, stopped | trapped, timed out, killed, ... |
/// |---|---|---|
/// | permanent | yes | yes |
/// | transient | no | yes |
/// | temporary | no | no |
///
/// OTP: `supervisor`, "restart" of a child specification; clean are `normal`, `shutdown` and `{shutdown, _}`.
#[must_use]
pub fn restarts(policy: RestartPolicy, reason: &ExitReason) -> bool {
    match policy {
        RestartPolicy::Permanent => true,
        RestartPolicy::Transient => !reason.is_clean(),
        RestartPolicy::Temporary => false,
    }
}

/// Whether a restart concerns siblings: then everything is done one after the other, as OTP's supervisor process does.
pub(super) fn is_group(strategy: Strategy) -> bool {
    matches!(strategy, Strategy::OneForAll | Strategy::RestForOne)
}

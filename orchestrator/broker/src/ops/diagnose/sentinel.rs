//! Whether Sentinels would notice a loss, agree on it, and have a replica to promote.
use std::collections::BTreeSet;

use super::Diagnosis;
use crate::config::Node;
use crate::connection::{Sentinels, View};

/// A primary that may be silent for longer keeps all clients waiting.
const MAX_DOWN_AFTER_MS: u64 = 4_000;
/// Sentinels ask once a second, and reconnect as often: a busy server is taken for a dead one.
const MIN_DOWN_AFTER_MS: u64 = 1_000;

pub(super) async fn inspect(found: &mut Diagnosis, sentinels: &Sentinels) {
    let views = sentinels.views().await;
    judge(found, &views, sentinels.service());
    let answering = views.iter().find(|(_, view)| view.is_ok());
    if let Some((node, _)) = answering
        && let Err(why) = sentinels.command(node, &["CKQUORUM", sentinels.service()]).await
    {
        let fix = "start the Sentinels that are missing: without them no replica is promoted";
        found.broken(format!("the Sentinels could not decide on a failover: {why}"), fix);
    }
}

/// Pure: what follows from what each of them says.
fn judge(found: &mut Diagnosis, views: &[(Node, Result<View, String>)], service: &str) {
    let good: Vec<&View> = views.iter().filter_map(|(_, view)| view.as_ref().ok()).collect();
    found.fact("sentinels", format!("{} of {} answer for {service}", good.len(), views.len()));
    for (node, view) in views {
        if let Err(why) = view {
            let what = format!("the Sentinel at {node} is of no use: {why}");
            let fix = "start it, or fix ANTIPHON_REDIS_URL (sentinel_pass, the service's name, its port)";
            if good.len() * 2 > views.len() { found.advise(what, fix) } else { found.broken(what, fix) }
        }
    }
    let named: BTreeSet<String> = good.iter().map(|view| view.primary.to_string()).collect();
    if named.len() > 1 {
        let each: Vec<String> = named.into_iter().collect();
        let fix = "wait for the failover to end; if it does not, SENTINEL RESET on those that are behind";
        found.broken(format!("the Sentinels do not agree on the primary: {}", each.join(", ")), fix);
    } else if let Some(primary) = named.first() {
        found.fact("primary", primary);
    }
    let Some(view) = good.first() else { return };
    let number = |name: &str| view.field(name).parse::<u64>().unwrap_or(0);
    let (known, quorum) = (number("num-other-sentinels") + 1, number("quorum"));
    found.fact("quorum", format!("{quorum} of {known} known Sentinels"));
    if known < 3 {
        let what = format!(
            "there are {known} Sentinels: with fewer than three, losing one machine may lose the decision"
        );
        found.advise(what, "run three, on machines of their own");
    }
    if known > u64::try_from(views.len()).unwrap_or(u64::MAX) {
        let what = format!("{known} Sentinels watch {service}, and the URL names {}", views.len());
        found.advise(what, "name all of them in ANTIPHON_REDIS_URL: each announces only what it does itself");
    }
    if quorum * 2 <= known {
        let what = format!("{quorum} of {known} Sentinels are enough to take the primary for gone");
        found.advise(what, format!("SENTINEL SET {service} quorum {}", known / 2 + 1));
    }
    if number("num-slaves") == 0 {
        let fix = "start a replica: no server could take over";
        found.broken(format!("the Sentinels know no replica of {service}"), fix);
    }
    let after = number("down-after-milliseconds");
    found.fact("failover", format!("about {} ms after the primary falls silent", after + 1_000));
    if after > MAX_DOWN_AFTER_MS {
        let what = format!("a primary may be silent for {after} ms before anything is done about it");
        found.advise(what, format!("SENTINEL SET {service} down-after-milliseconds 1250"));
    } else if after > 0 && after < MIN_DOWN_AFTER_MS {
        let what = format!("a primary that is busy for {after} ms is taken for gone");
        found.advise(what, format!("SENTINEL SET {service} down-after-milliseconds 1250"));
    }
    elections(found, &good, service);
}

/// Whether an election is likely to be won, and how soon one that was not is repeated: after twice the failover timeout
/// (<https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/#the-sentinel-failover-process>,
/// `sentinelStartFailoverIfNeeded` in Redis's `sentinel.c`).
fn elections(found: &mut Diagnosis, good: &[&View], service: &str) {
    let number = |view: &View, name: &str| view.field(name).parse::<u64>().unwrap_or(0);
    let afters: BTreeSet<u64> = good.iter().map(|view| number(view, "down-after-milliseconds")).collect();
    if good.len() > 1 && afters.len() < good.len() {
        let what = "Sentinels that wait equally long for the primary stand for election in the same instant, \
                    and then none may win";
        let each =
            format!("SENTINEL SET {service} down-after-milliseconds 1250, 1500, 1750: another for each");
        found.advise(what, each);
    }
    let again = 2 * good.iter().map(|view| number(view, "failover-timeout")).max().unwrap_or(0);
    if again > MAX_DOWN_AFTER_MS {
        let what = format!("an election that no Sentinel won is repeated only after {again} ms");
        found.advise(what, format!("SENTINEL SET {service} failover-timeout 1500, on each Sentinel"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(port: u16) -> Node {
        Node { host: "s".into(), port }
    }

    fn view(change: (&str, &str)) -> View {
        let fields = [
            ("num-other-sentinels", "2"),
            ("quorum", "2"),
            ("num-slaves", "2"),
            ("down-after-milliseconds", "1000"),
            ("failover-timeout", "1500"),
        ];
        let fields = fields.map(|(name, value)| {
            let value = if name == change.0 { change.1 } else { value };
            (name.to_owned(), value.to_owned())
        });
        View { primary: node(1), epoch: 1, undecided: false, fields: fields.to_vec() }
    }

    fn judged(views: Vec<Result<View, String>>) -> Diagnosis {
        let mut found = Diagnosis { url: String::new(), facts: Vec::new(), findings: Vec::new() };
        let views: Vec<_> = views.into_iter().map(|view| (node(9), view)).collect();
        judge(&mut found, &views, "main");
        found
    }

    fn waits(ms: &str) -> Result<View, String> {
        Ok(view(("down-after-milliseconds", ms)))
    }

    #[test]
    fn sentinels_that_agree_and_wait_differently_are_fine() {
        assert_eq!(judged(vec![waits("1000"), waits("1250"), waits("1500")]).findings, []);
        let found = judged(vec![waits("1000"), waits("1250"), waits("1250")]);
        assert!(found.findings[0].what.contains("in the same instant"), "{:?}", found.findings);
        assert!(!found.is_broken());
    }

    #[test]
    fn each_fault_comes_with_its_fix() {
        for (change, word, broken) in [
            (("num-slaves", "0"), "replica", true),
            (("quorum", "1"), "quorum 2", false),
            (("num-other-sentinels", "3"), "name all", false),
            (("num-other-sentinels", "1"), "three", false),
            (("down-after-milliseconds", "30000"), "1250", false),
            (("down-after-milliseconds", "100"), "1250", false),
            (("failover-timeout", "180000"), "failover-timeout 1500", false),
        ] {
            let found = judged(vec![Ok(view(change)), Ok(view(change)), Ok(view(change))]);
            assert!(found.findings.iter().any(|finding| finding.fix.contains(word)), "{:?}", found.findings);
            assert_eq!(found.is_broken(), broken, "{change:?}");
        }
        let other = View { primary: node(2), ..view(("", "")) };
        let found = judged(vec![Ok(other), Ok(view(("", ""))), Ok(view(("", "")))]);
        assert!(found.findings[0].what.contains("do not agree"), "{:?}", found.findings);
    }

    #[test]
    fn a_silent_minority_is_advice_a_silent_majority_broken() {
        let (good, bad) = (|| Ok(view(("", ""))), || Err("refused".to_owned()));
        assert!(!judged(vec![good(), good(), bad()]).is_broken());
        assert!(judged(vec![good(), bad(), bad()]).is_broken());
    }
}

//! Audacity's parts and the drawing.
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use antiphon_core::capture_note::CaptureNote;
use antiphon_core::event::{Consent, Input};
use bundle::export::Form;
use bundle::{Reader, Tail, Writer, export};

use crate::sample::{self, ADA, BEN, at, head, member};

fn bundle() -> (tempfile::TempDir, Reader) {
    let dir = tempfile::tempdir().unwrap();
    sample::write(&dir.path().join("bundle"));
    let reader = Reader::open(&dir.path().join("bundle")).unwrap();
    (dir, reader)
}

#[test]
fn audacity_gets_all_tracks_and_labels_in_place() {
    let (dir, reader) = bundle();
    let folder = dir.path().join("audacity");
    let files = export::write(&reader, Form::Audacity, &folder, |_, _| {}).unwrap();
    let names: BTreeSet<String> =
        files.iter().map(|file| file.path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    let list = fs::read_to_string(folder.join("session.lof")).unwrap();
    let listed: Vec<&str> = list.lines().map(|line| line.split('"').nth(1).unwrap()).collect();
    assert_eq!(listed.len(), 2);
    for (line, name) in list.lines().zip(listed) {
        assert!(names.contains(name) && folder.join(name).is_file(), "{name} of {names:?}");
        assert!(line.starts_with("file \"") && line.ends_with("\" offset 0"), "{line}");
    }
    let read =
        |name: String| fs::read_to_string(folder.join(&name)).unwrap_or_else(|_| panic!("{name}: {names:?}"));
    assert_eq!(read(format!("words-Ada-{ADA}.txt")), "0.440000\t1.340000\tWhat time is it?\n");
    assert_eq!(
        read(format!("marks-Ada-{ADA}.txt")),
        "0.800000\t0.820000\tconcealed\n0.820000\t0.840000\tundecryptable\n"
    );
    assert_eq!(
        read(format!("marks-Ben-{BEN}.txt")),
        "0.200000\t2.400000\twithheld\n",
        "runs are put together"
    );
    for lane in ["production", "sandbox"] {
        assert_eq!(
            read(format!("decisions-{lane}.txt")),
            "1.450000\t1.450000\trespond: yes (something was asked)\n"
        );
    }
}

#[test]
fn the_drawing_has_everybody_and_everything_on_one_axis() {
    let (dir, reader) = bundle();
    let to = dir.path().join("plot.svg");
    let mut seen = Vec::new();
    export::plot(&reader, &to, |done, total| seen.push((done, total))).unwrap();
    assert_eq!(seen.last().map(|(done, total)| done == total), Some(true));
    let svg = fs::read_to_string(&to).unwrap();
    for there in [
        "Ada",
        "Ben",
        "Antiphon",
        "turn 1",
        "What time is it?",
        "It is noon.",
        "respond: yes",
        "no sound is kept",
        "withheld, 0:00.2 to 0:02.4",
        "concealed, 0:00.8",
        "production",
        "sandbox",
        "takes consent back",
    ] {
        let expected = there != "takes consent back";
        assert_eq!(svg.contains(there), expected, "{there}");
    }
    for outside in ["http://", "https://"] {
        assert_eq!(
            svg.matches(outside).count(),
            svg.matches("http://www.w3.org/2000/svg").count() * usize::from(outside == "http://")
        );
    }
}

#[test]
fn chromium_draws_it_whatever_people_call_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("bundle");
    let mut writer = Writer::create(&folder, head()).unwrap();
    let nasty = "</text><script>document.title='owned'</script>\u{1b}\u{0}&amp;";
    writer
        .input(at(0), &Input::MemberJoined { member: member(ADA, nasty), consent: Consent::Granted })
        .unwrap();
    writer.input(at(500), &Input::ConsentChanged { user: ADA, consent: Consent::Withheld }).unwrap();
    writer.note(at(600), CaptureNote::Other { what: "<b>".into() }).unwrap();
    for slot in 0..100 {
        writer
            .pcm(ADA, slot, antiphon_core::audio::SlotMark::Received, Some(&[(slot * 90) as i16; 320]))
            .unwrap();
    }
    writer.input(at(700), &sample::transcript(1, ADA, "1 < 2 && \"quoted\" ]]>")).unwrap();
    writer.seal(Tail { ended: at(2_000), reason: "<end>".into(), ledger: None }).unwrap();
    let to = dir.path().join("plot.svg");
    export::plot(&Reader::open(&folder).unwrap(), &to, |_, _| {}).unwrap();
    let out = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg(format!("--user-data-dir={}", dir.path().join("profile").display()))
        .arg(format!("file://{}", to.display()))
        .output()
        .expect("chromium must be installed (apt-get install chromium)");
    let dom = String::from_utf8_lossy(&out.stdout);
    assert!(dom.contains("takes consent back") && dom.contains("1 &lt; 2 &amp;&amp;"), "{dom}");
    assert!(!dom.contains("parsererror") && !dom.contains("<script>"), "{dom}");
}

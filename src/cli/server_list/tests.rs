use super::*;
use crate::cli::temp_dir::TempDir;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

/// A list that was read from a file, and the monitor with its servers.
struct Scene {
    dir: TempDir,
    plan: Box<Plan>,
    monitor: Monitor,
    list: ServerList,
    changes: Changes,
}

impl Scene {
    fn new(options: &str, text: &str) -> Result<Scene, String> {
        let dir = TempDir::new();
        let path = dir.file("servers");
        fs::write(&path, text).unwrap();
        let words = ["--servers".into(), path.clone().into()].into_iter();
        let words = words.chain(options.split_whitespace().map(OsString::from));
        let mut plan = crate::cli::plan::plan(&mut words.into_iter(), &|_| None).unwrap();
        let mut monitor = Monitor::new().unwrap();
        let why = |failure: Failure| failure.why().replace(&*path.to_string_lossy(), "servers");
        setup::add_servers(&mut monitor, &mut plan).map_err(why)?;
        let (list, changes) = ServerList::open(&mut plan, &mut monitor).map_err(why)?.unwrap();
        Ok(Scene { dir, plan, monitor, list, changes })
    }

    fn write(&self, text: impl AsRef<[u8]>) {
        fs::write(self.dir.file("servers"), text).unwrap();
    }

    /// Reads another text. Returns the labels that were added and removed, and those whose rules are new.
    fn reload(&mut self, text: &str) -> Result<[String; 3], String> {
        self.write(text);
        let before: Vec<_> = self.monitor.ids().map(|id| (id, self.monitor.label(id).to_owned())).collect();
        let changes = self.list.reload(&mut self.plan, &mut self.monitor);
        self.changes = changes.map_err(|failure| failure.why().replace(&self.list.name, "servers"))?;
        let Changes { removed, added, rules, .. } = &self.changes;
        assert_eq!(self.monitor.len(), self.plan.uris.len() + self.list.rows.len());
        let before = |id: ServerId| before.iter().find(|(old, _)| *old == id).map_or("?", |(_, label)| label);
        let now = |id: ServerId| self.monitor.label(id);
        Ok([join(added, now), join(removed, before), join(&rules.iter().map(|(id, _)| *id).collect::<Vec<_>>(), now)])
    }

    fn labels(&self) -> String {
        join(&self.monitor.ids().collect::<Vec<_>>(), |id| self.monitor.label(id))
    }
}

fn join<'a>(ids: &[ServerId], label: impl Fn(ServerId) -> &'a str) -> String {
    ids.iter().map(|&id| label(id)).collect::<Vec<_>>().join(" ")
}

fn changes(added: &str, removed: &str, rules: &str) -> Result<[String; 3], String> {
    Ok([added, removed, rules].map(str::to_owned))
}

#[test]
fn lines_that_are_the_same_keep_their_servers_and_the_others_come_and_go() {
    let mut scene = Scene::new("first=h:1", "a=h:1 -k\nb=h:2\nc=h:3 -w cpu=80\n").unwrap();
    assert_eq!((scene.labels(), scene.changes.added.len()), ("first a b c".to_owned(), 3));
    assert_eq!(scene.changes.rules.len(), 1);
    let ids: Vec<_> = scene.monitor.ids().collect();
    // Another order, spelling, and a comment.
    let same = "# new\nc=h:3 --warning=cpu=80\n\n  b=h:2\na=h:1 '--insecure' # x\n";
    assert_eq!(scene.reload(same), changes("", "", ""));
    assert_eq!(scene.monitor.ids().collect::<Vec<_>>(), ids);
    assert_eq!(scene.reload("a=h:1 -k\nb=h:4\nd=h:3 -w cpu=80\n"), changes("b d", "b c", "d"));
    assert_eq!(scene.labels(), "first a b d");
    assert_eq!(scene.reload("first2=h:1\n"), changes("first2", "a b d", ""));
}

#[test]
fn new_rules_alone_leave_the_connection() {
    let mut scene = Scene::new("", "a=h:1 -w cpu=80\nb=h:2\n").unwrap();
    assert_eq!(scene.reload("a=h:1 -w cpu=90\nb=h:2 -c up=1:\n"), changes("", "", "a b"));
    let mut thresholds = Thresholds::default();
    thresholds.add_warnings("cpu=90").unwrap();
    assert_eq!(scene.changes.rules[0].1, thresholds);
    assert_eq!(scene.reload("a=h:1\nb=h:2 -c up=1:\n"), changes("", "", "a"));
    assert_eq!(scene.changes.rules[0].1, Thresholds::default());
}

#[test]
fn a_wrong_file_changes_nothing_and_is_told_with_its_line() {
    let mut scene = Scene::new("first=h", "a=h:1\nb=h:2\n").unwrap();
    for (text, why) in [
        ("a=h:1\nb=h:0", "servers:2: invalid URI h:0: the port \"0\" is not a number from 1 to 65535"),
        ("", "servers: no server is named"),
        ("c=h\na=h\nc=h", "servers:3: two servers are called c: labels must differ"),
        ("first=h:1", "servers:1: two servers are called first: labels must differ"),
        ("c=h\nd=@/no/such", "servers:2: read /no/such: no such file or directory"),
        ("c=h --token-file /no/such", "servers:1: read /no/such: no such file or directory"),
        ("c=h --every 5", "servers:1: --every is for all servers: it belongs on the command line"),
    ] {
        assert_eq!(scene.reload(text), Err(why.to_owned()));
        assert_eq!(scene.labels(), "first a b");
    }
    fs::remove_file(scene.dir.file("servers")).unwrap();
    let gone = scene.list.reload(&mut scene.plan, &mut scene.monitor).map(drop).unwrap_err();
    assert!(gone.why().ends_with("/servers: no such file or directory"), "{}", gone.why());
    fs::create_dir(scene.dir.file("servers")).unwrap();
    let directory = scene.list.reload(&mut scene.plan, &mut scene.monitor).map(drop).unwrap_err();
    assert!(directory.why().ends_with("/servers: is a directory"), "{}", directory.why());
    assert_eq!(scene.labels(), "first a b");
    fs::remove_dir(scene.dir.file("servers")).unwrap();
    assert_eq!(scene.reload("a=h:1\nb=h:2\n"), changes("", "", ""));
}

#[test]
fn servers_without_labels_are_told_apart_by_their_lines() {
    let mut scene = Scene::new("", "h:1/x\nh:1/y\nh:1/y\n").unwrap();
    assert_eq!(scene.labels(), "h:1 h:1#2 h:1#3");
    assert_eq!(scene.reload("h:1/y\nh:1/x\n"), changes("", "h:1#3", ""));
    assert_eq!(scene.reload("h:1/y\nh:1/y\n"), changes("h:1", "h:1", ""));
}

#[test]
fn a_file_with_a_secret_that_others_can_read_is_warned_of_once() {
    let warned = |text: &str, mode: u32| {
        let mut scene = Scene::new("", "a=h:1").unwrap();
        scene.write(text);
        fs::set_permissions(scene.dir.file("servers"), Permissions::from_mode(mode)).unwrap();
        assert!(scene.list.reload(&mut scene.plan, &mut scene.monitor).is_ok());
        scene.list.warned
    };
    for secret in
        ["ws://user:password@h", "sysmedic://secret@h", "h -H 'A: b'", "h --proxy http://u:p@h:1", "h/?token=x"]
    {
        assert!(warned(secret, 0o644), "{secret}");
        assert!(!warned(secret, 0o640), "{secret}");
    }
    assert!(!warned("a=h --insecure --send x", 0o666));
}

#[test]
fn more_servers_than_there_are_cannot_be_required() {
    assert!(Scene::new("x=h --require 3", "a=h\nb=h").is_ok());
    let why = Scene::new("--require 3", "a=h\nb=h").err();
    assert_eq!(why.as_deref(), Some("--require '3': this run has 2 servers"));
}

#[test]
fn a_pipe_is_read_at_the_start_and_its_servers_stay() {
    let mut child = Command::new("sh").args(["-c", "echo a=h:1; echo b=h:2"]).stdout(Stdio::piped()).spawn().unwrap();
    // As a shell names it in `<(...)`.
    let path = format!("/proc/self/fd/{}", child.stdout.as_ref().unwrap().as_raw_fd());
    let mut plan = crate::cli::plan::plan(&mut ["--servers".into(), path.into()].into_iter(), &|_| None).unwrap();
    let mut monitor = Monitor::new().unwrap();
    let mut list = match ServerList::open(&mut plan, &mut monitor) {
        Ok(opened) => opened.unwrap().0,
        Err(failure) => panic!("{}", failure.why()),
    };
    let again = list.reload(&mut plan, &mut monitor).map(drop).unwrap_err();
    assert!(again.why().contains("it is a pipe, which can be read only once"), "{}", again.why());
    assert_eq!(monitor.len(), 2);
    child.wait().unwrap();
}

//! The two files: read again when they have changed, and never waited for.

use super::*;

fn servers(files: &mut ResolverFiles) -> Vec<String> {
    files.conf().servers.iter().map(ToString::to_string).collect()
}

fn hosts(files: &mut ResolverFiles, host: &str) -> Vec<String> {
    files.hosts(host, 9).iter().map(ToString::to_string).collect()
}

#[test]
fn resolv_conf_is_read_again_when_it_has_changed() {
    let dir = TestFiles::new();
    let mut files = dir.resolver_files("nameserver 10.0.0.1", "", 53);
    assert_eq!(servers(&mut files), ["10.0.0.1:53"]);
    // Replaced as resolvconf does it: another file under the same name.
    fs::rename(dir.write("new", "nameserver 10.0.0.2"), dir.0.file("resolv.conf")).unwrap();
    assert_eq!(servers(&mut files), ["10.0.0.2:53"]);
    dir.write("resolv.conf", "# none\n");
    assert_eq!(servers(&mut files), ["127.0.0.1:53"]);
    dir.write("resolv.conf", "nameserver 10.0.0.3\nnameserver 10.0.0.4\n");
    assert_eq!(servers(&mut files), ["10.0.0.3:53", "10.0.0.4:53"]);
    fs::remove_file(dir.0.file("resolv.conf")).unwrap();
    assert_eq!(servers(&mut files), ["127.0.0.1:53"]);
    assert!(!files.conf().is_configured);
}

#[test]
fn hosts_is_read_again_when_it_has_changed() {
    let dir = TestFiles::new();
    let mut files = dir.resolver_files("", "10.0.0.1 a b\n10.0.0.2 c\n::1 a\n", 53);
    assert_eq!(hosts(&mut files, "a"), ["10.0.0.1:9", "[::1]:9"]);
    assert_eq!(hosts(&mut files, "c"), ["10.0.0.2:9"]);
    assert!(hosts(&mut files, "x").is_empty());
    dir.write("hosts", "10.0.0.77 x a\n");
    assert_eq!(hosts(&mut files, "x"), ["10.0.0.77:9"]);
    assert_eq!(hosts(&mut files, "a"), ["10.0.0.77:9"]);
    fs::remove_file(dir.0.file("hosts")).unwrap();
    assert!(hosts(&mut files, "a").is_empty());
}

#[test]
fn a_hosts_file_of_blocked_names_is_searched_to_its_end() {
    let blocked: String = (0..500).map(|n| format!("0.0.0.0 ads{n}.example\n")).collect();
    let long = "x".repeat(10_000);
    let text = [blocked.as_bytes(), b"10.0.0.5 ", long.as_bytes(), b"\n\xff\n10.0.0.6 router"].concat();
    let dir = TestFiles::new();
    let mut files = dir.resolver_files("", "", 53);
    fs::write(dir.0.file("hosts"), text).unwrap();
    assert_eq!(hosts(&mut files, "router"), ["10.0.0.6:9"]);
    assert_eq!(hosts(&mut files, "ads499.example"), ["0.0.0.0:9"]);
    (0..300).for_each(|n| assert!(hosts(&mut files, &format!("x{n}")).is_empty()));
    assert_eq!(hosts(&mut files, "router"), ["10.0.0.6:9"]);
}

#[test]
fn no_part_of_an_overlong_line_is_taken_for_a_line() {
    let dir = TestFiles::new();
    for len in (4080..4110).chain(8180..8210) {
        let text = format!("{}10.0.0.7 router\n10.0.0.8 other\n", "# ".repeat(len / 2) + &"#"[..len % 2]);
        let text = text + &format!("10.0.0.9 other {}\n", "x".repeat(len));
        let mut files = dir.resolver_files("", &text, 53);
        assert!(hosts(&mut files, "router").is_empty(), "{len}");
        let expected = if len + 16 <= 4096 { &["10.0.0.8:9", "10.0.0.9:9"][..] } else { &["10.0.0.8:9"] };
        assert_eq!(hosts(&mut files, "other"), expected, "{len}");
    }
}

#[test]
fn only_regular_files_are_opened() {
    let dir = TestFiles::new();
    let (fifo, folder) = (dir.0.file("fifo"), dir.0.path().to_owned());
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for path in [fifo, folder, "/dev/zero".into(), "/nonexistent".into()] {
        let mut files = ResolverFiles::at(&path, &path, 53);
        assert_eq!(servers(&mut files), ["127.0.0.1:53"], "{path:?}");
        assert!(hosts(&mut files, "a").is_empty());
    }
}

#[test]
fn zones_are_the_names_of_interfaces_and_nothing_else() {
    assert_eq!(super::super::files::interface_index("lo"), Some(1));
    for name in ["", ".", "..", "../net/lo", "/etc/passwd", "no-such-interface"] {
        assert_eq!(super::super::files::interface_index(name), None, "{name}");
    }
}

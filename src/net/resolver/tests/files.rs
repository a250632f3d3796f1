//! The two files: read again when they have changed, and never waited for.

use super::*;

fn servers(names: &mut Names) -> Vec<String> {
    names.conf().servers.iter().map(ToString::to_string).collect()
}

fn hosts(names: &mut Names, host: &str) -> Vec<String> {
    names.hosts(host, 9).iter().map(ToString::to_string).collect()
}

#[test]
fn resolv_conf_is_read_again_when_it_has_changed() {
    let scratch = Scratch::new("conf");
    let mut names = scratch.names("nameserver 10.0.0.1", "", 53);
    assert_eq!(servers(&mut names), ["10.0.0.1:53"]);
    // Replaced as resolvconf does it: another file under the same name.
    fs::rename(scratch.write("new", "nameserver 10.0.0.2"), scratch.0.join("resolv.conf")).unwrap();
    assert_eq!(servers(&mut names), ["10.0.0.2:53"]);
    scratch.write("resolv.conf", "# none\n");
    assert_eq!(servers(&mut names), ["127.0.0.1:53"]);
    scratch.write("resolv.conf", "nameserver 10.0.0.3\nnameserver 10.0.0.4\n");
    assert_eq!(servers(&mut names), ["10.0.0.3:53", "10.0.0.4:53"]);
    fs::remove_file(scratch.0.join("resolv.conf")).unwrap();
    assert_eq!(servers(&mut names), ["127.0.0.1:53"]);
    assert!(!names.conf().is_configured);
}

#[test]
fn hosts_is_read_again_when_it_has_changed() {
    let scratch = Scratch::new("hosts");
    let mut names = scratch.names("", "10.0.0.1 a b\n10.0.0.2 c\n::1 a\n", 53);
    assert_eq!(hosts(&mut names, "a"), ["10.0.0.1:9", "[::1]:9"]);
    assert_eq!(hosts(&mut names, "c"), ["10.0.0.2:9"]);
    assert!(hosts(&mut names, "x").is_empty());
    scratch.write("hosts", "10.0.0.77 x a\n");
    assert_eq!(hosts(&mut names, "x"), ["10.0.0.77:9"]);
    assert_eq!(hosts(&mut names, "a"), ["10.0.0.77:9"]);
    fs::remove_file(scratch.0.join("hosts")).unwrap();
    assert!(hosts(&mut names, "a").is_empty());
}

#[test]
fn a_hosts_file_of_blocked_names_is_searched_to_its_end() {
    let blocked: String = (0..500).map(|n| format!("0.0.0.0 ads{n}.example\n")).collect();
    let long = "x".repeat(10_000);
    let text = [blocked.as_bytes(), b"10.0.0.5 ", long.as_bytes(), b"\n\xff\n10.0.0.6 router"].concat();
    let scratch = Scratch::new("blocked");
    let mut names = scratch.names("", "", 53);
    fs::write(scratch.0.join("hosts"), text).unwrap();
    assert_eq!(hosts(&mut names, "router"), ["10.0.0.6:9"]);
    assert_eq!(hosts(&mut names, "ads499.example"), ["0.0.0.0:9"]);
    (0..300).for_each(|n| assert!(hosts(&mut names, &format!("x{n}")).is_empty()));
    assert_eq!(hosts(&mut names, "router"), ["10.0.0.6:9"]);
}

#[test]
fn what_is_no_regular_file_is_not_opened() {
    let scratch = Scratch::new("odd");
    let (fifo, folder) = (scratch.0.join("fifo"), scratch.0.clone());
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for path in [fifo, folder, "/dev/zero".into(), "/nonexistent".into()] {
        let mut names = Names::at(&path, &path, 53);
        assert_eq!(servers(&mut names), ["127.0.0.1:53"], "{path:?}");
        assert!(hosts(&mut names, "a").is_empty());
    }
}

#[test]
fn zones_are_the_names_of_interfaces_and_nothing_else() {
    assert_eq!(super::super::files::zone("lo"), Some(1));
    for name in ["", ".", "..", "../net/lo", "/etc/passwd", "no-such-interface"] {
        assert_eq!(super::super::files::zone(name), None, "{name}");
    }
}

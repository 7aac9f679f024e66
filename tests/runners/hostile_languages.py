"""Attacks in compiled and scripted languages: each is a whole program whose test passes only if the attack worked."""

from __future__ import annotations

from dataclasses import dataclass

from runners.program import Status

S = Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A program that passes, or that leaves something, only where the jail does not hold."""

    language: str
    name: str
    source: str
    statuses: tuple[Status, ...]
    """What a jail that holds makes of it."""
    flags: tuple[str, ...] = ()


CPP = "#include <bits/stdc++.h>\n#include <unistd.h>\n#include <arpa/inet.h>\n#include <fcntl.h>\n"
JAVA = (
    "import java.io.*; import java.net.*; import java.nio.file.*; import java.util.*;\n"
    "public class Main {{ public static void main(String[] a) throws Exception {{ {body} }} }}"
)
GO = (
    'package main\nimport (\n"fmt"\n"net"\n"os"\n"os/exec"\n)\nvar _ = fmt.Sprint\nvar _ = net.Dial\n'
    "var _ = os.Exit\nvar _ = exec.Command\nfunc main() {{ {body} }}\n"
)
RUST = "#![allow(unused)]\nuse std::{{io::Write, fs, net, process, thread}};\nfn main() {{ {body} }}\n"
FAILS = (S.RUNTIME_ERROR, S.WRONG_ANSWER, S.FORBIDDEN, S.TIMEOUT, S.MEMORY_LIMIT, S.OUTPUT_LIMIT)
ENDS = (S.RUNTIME_ERROR, S.TIMEOUT, S.MEMORY_LIMIT, S.FORBIDDEN)
EXITS = (S.RUNTIME_ERROR,)
FLOODS = (S.OUTPUT_LIMIT,)


def _of(language: str, bodies: dict[str, tuple[str, tuple[Status, ...]]], wrap: str) -> list[Attack]:
    return [
        Attack(language=language, name=name, source=wrap.format(body=body), statuses=statuses)
        for name, (body, statuses) in bodies.items()
    ]


ATTACKS = [
    *_of(
        "cpp",
        {
            "fork bomb": ("for (;;) fork();", ENDS),
            "network": (
                "int s = socket(AF_INET, SOCK_STREAM, 0); assert(s >= 0); sockaddr_in a{}; a.sin_family = AF_INET; "
                "a.sin_port = htons(53); a.sin_addr.s_addr = 0x08080808; "
                "assert(connect(s, (sockaddr*)&a, sizeof a) == 0);",
                FAILS,
            ),
            "host file": ('assert(open("/etc/shadow", O_RDONLY) >= 0 || open("/root", O_RDONLY) >= 0);', FAILS),
            "exit 0 early": ("exit(0);", EXITS),
            "_exit 0 early": ("_exit(0);", EXITS),
            "exit 0 before main": ("} struct A { A() { _exit(0); } } a; void g() {", EXITS),
            "flood": ('for (;;) fputs("0123456789012345678901234567890123456789", stdout);', FLOODS),
            "write outside": (
                'for (auto p : {"/usr/x", "/opt/kit/x", "/etc/x"}) '
                "if (open(p, O_CREAT | O_WRONLY, 0600) >= 0) return 0; abort();",
                FAILS,
            ),
            "memory": ("for (;;) memset(malloc(1 << 24), 1, 1 << 24);", (S.MEMORY_LIMIT, S.RUNTIME_ERROR)),
            "empty ticket": ('close(open("/tmp/handed-in", O_CREAT | O_WRONLY, 0600)); _exit(0);', EXITS),
            "made-up ticket": (
                r'int f = open("/tmp/handed-in", O_CREAT | O_WRONLY, 0600); const char t[] = "\0\0\0\x26'
                r'{\"nonce\": \"0\", \"test\": 0, \"passed\": true}"; write(f, t, sizeof t - 1); close(f); _exit(0);',
                EXITS,
            ),
        },
        CPP + "int main() {{ {body} }}\n",
    ),
    *_of(
        "java",
        {
            "fork bomb": ('while (true) new ProcessBuilder("/bin/sh", "-c", "sleep 100").start();', ENDS),
            "threads": ("while (true) new Thread(() -> { while (true) { } }).start();", ENDS),
            "network": ('new Socket("8.8.8.8", 53);', FAILS),
            "host file": ('Files.readAllBytes(Path.of("/etc/shadow"));', FAILS),
            "exit 0 early": ("System.exit(0);", EXITS),
            "halt": ("Runtime.getRuntime().halt(0);", EXITS),
            "flood": ('while (true) System.out.println("0123456789012345678901234567890123456789");', FLOODS),
            "write outside": ('Files.writeString(Path.of("/usr/x"), "x");', FAILS),
            "memory": ("List<byte[]> l = new ArrayList<>(); while (true) l.add(new byte[1 << 24]);", (S.MEMORY_LIMIT,)),
        },
        JAVA,
    ),
    *_of(
        "go",
        {
            "fork bomb": ('for { exec.Command("/bin/sleep", "100").Start() }', ENDS),
            "network": ('if _, e := net.Dial("tcp", "8.8.8.8:53"); e != nil { panic(e) }', FAILS),
            "host file": ('if _, e := os.ReadFile("/etc/shadow"); e != nil { panic(e) }', FAILS),
            "exit 0 early": ("os.Exit(0)", EXITS),
            "flood": ('for { fmt.Println("0123456789012345678901234567890123456789") }', FLOODS),
            "write outside": ('if e := os.WriteFile("/usr/x", nil, 0600); e != nil { panic(e) }', FAILS),
        },
        GO,
    ),
    *_of(
        "rust",
        {
            "fork bomb": ('loop { process::Command::new("/bin/sleep").arg("100").spawn(); }', ENDS),
            "network": ('net::TcpStream::connect("8.8.8.8:53").unwrap();', FAILS),
            "host file": ('fs::read("/etc/shadow").unwrap();', FAILS),
            "exit 0 early": ("process::exit(0);", EXITS),
            "flood": ('loop { println!("0123456789012345678901234567890123456789"); }', FLOODS),
            "write outside": ('fs::write("/usr/x", "x").unwrap();', FAILS),
        },
        RUST,
    ),
    *_of(
        "javascript",
        {
            "fork bomb": ("for (;;) require('child_process').spawn('/bin/sleep', ['100']);", ENDS),
            "network": ("require('net').connect(53, '8.8.8.8');", FAILS),
            "host file": ("require('fs').readFileSync('/etc/shadow');", FAILS),
            "exit 0 early": ("process.exit(0);", EXITS),
            "flood": ("for (;;) require('fs').writeSync(1, '0123456789'.repeat(100));", FLOODS),
            "write outside": ("require('fs').writeFileSync('/usr/x', 'x');", FAILS),
        },
        "{body}\n",
    ),
]

"""Sessions that no server has sent: recorded ones with odd numbers, texts and ends in them, and messages made up for it."""

import gzip
import json
import random
import re
import struct
import zlib

TEXT, BINARY, PING, PONG = 1, 2, 9, 10

# At the edges of what 32 and 64 bits and a double hold, and at those of rounding.
NUMBERS = """
0 -0 -0.0 1 -1 0.05 0.15 0.25 0.35 0.45 0.5 1.5 2.5 0.1 0.30000000000000004 9.95 9.949999999999999 49.95 99.95 99.949999
99.99999999999999 100.00000000000001 3.141592653589793 12345.6789 123456789.123456789 0.000001 0.0000001 1e-7 1E+21
999999999999999.9 9999999999999999 1e15 1e16 1e17 127 128 255 256 32767 65535 65536 2147483647 2147483648 -2147483648
-2147483649 4294967295 4294967296 4294967297 4294967295.5 1073741823.999 1099511627776 9007199254740991 9007199254740992
9007199254740993 9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809 18446744073709551615
18446744073709551616 340282366920938463463374607431768211456 1e22 1e23 8.5e22 1.7976931348623157e308 1.7976931348623159e308
-1.7976931348623157e308 1e308 -1e308 1e309 1e400 -1e400 1e-400 5e-324 -5e-324 2.4703282292062327e-324 2.2250738585072014e-308
2.2250738585072011e-308 4.9406564584124654e-324 1e-323 6.02214076e23 1.7320508075688772 2.675 1.005 1e0 1e2 1.0 10e-1
0.1e1 1253376000.000001 253402300799 253402300800 1767323045.678 4102444800 2208988800 -62135596800 NaN Infinity -Infinity
null true false "" "12.5" "-0" "1e400" " 7" [1e2] {} []
""".split()  # fmt: skip
NUMBERS += ["0." + "1" * 60, "1" * 400, "1" * 310 + "e-300", "0." + "0" * 330 + "1e330", "-" + "9" * 40]



def rounded():
    """Returns numbers that are rounded more than once where registers have more bits of them, or more of their exponents.

    The first half has neither exponents nor more digits than the quick reader takes.
    """
    chance = random.Random(2)
    digits = lambda least, most: str(chance.randrange(10 ** (least - 1), 10 ** chance.randint(least, most)))
    plain = []
    for _ in range(200):
        number = digits(15, 17)
        at = chance.randint(0, len(number))
        plain.append(chance.choice(["", "-"]) + (number[:at] or "0") + (number[at:] and "." + number[at:]))
    with_exponent = []
    for _ in range(200):
        exponent = chance.choice([chance.randint(-345, 310), chance.randint(-345, -300), chance.randint(285, 310), 292, -324])
        number = digits(1, 20)
        with_exponent.append(chance.choice([f"{number}e{exponent}", f"{number[0]}.{number[1:] or 0}E{exponent:+}", number]))
    return plain + with_exponent


# As they stand in JSON.
TEXTS = [
    '""', '" "', '"\\u0000"', '"a\\u0000b"', '"\\ud83d\\ude00"', '"\\ud83d"', '"\\ude00\\ud83d"', '"\\udfff x"', '"\x7f\x80\x9b"',
    '"\\u001b[2J\\u0007\\b\\f\\n\\r\\t\\"\\\\\\/"', '"\u202e\u2066\ufeff\u2028"', '"\u00e9\u0301 \u4e2d\u6587 \U0001f469\u200d\U0001f4bb"',
    '"%s%n {cpu} ${HOME} `id` ; $(id)"', '"NaN"', '"null"', '"0"', '"18446744073709551616"', '"2038-01-19T03:14:08Z"',
    '"2106-02-07T06:28:16.999999999Z"', '"9999-12-31T23:59:60Z"', '"1969-12-31T23:59:59Z"', '"0000-00-00T00:00:00"',
    '"2026-02-29 24:00:00"', '"+2147483648"', '"\ufffd\uffff\U0010ffff"', '"' + "x" * 3000 + '"', '"' + "\u00e9" * 1000 + '"',
    '"' + "\\u00e9\\n" * 700 + '"', '"a=b,c d"', '"\'\\"<>&|"', "7", "null", "[]", '{"a":{"b":[1,{"c":null}]}}',
]  # fmt: skip

NUMBER = re.compile(r"(?<=[:\[,\s])-?\d[\d.eE+-]*(?=[,\]}\s])")
VALUE = re.compile(r'(?<=[:\[,\s])"(?:[^"\\]|\\.)*"(?=\s*[,\]}])')


def session(recorded, chance):
    """Yields the texts of a recorded session, each twice: with other numbers, texts or both, cut off, or nested."""
    for opcode, payload in recorded:
        if opcode != TEXT:
            continue
        text = payload.decode(errors="replace")
        number = lambda m: chance.choice([m[0], chance.choice(NUMBERS)])
        value = lambda m: chance.choice([m[0], m[0], m[0], m[0], chance.choice(TEXTS)])
        other = VALUE.sub(value, text)
        at = chance.randrange(len(text) + 1)
        levels = chance.choice([1, 60, 126, 127, 128, 129])
        nested = '{"x":' * levels + chance.choice(NUMBERS) + "}" * levels
        doubled = re.sub(r'^\{("[^"]*":)', lambda m: f"{{{m[1]}{chance.choice(TEXTS)},{m[1]}", text)
        variants = (
            NUMBER.sub(number, text), other, NUMBER.sub(number, other), text[:at], text[:at] + chance.choice(NUMBERS) + text[at:],
            text.replace("{", f'{{"deep":{nested},', 1) if "}" in text else nested, doubled,
        )  # fmt: skip
        for made in chance.sample(variants, 2):
            yield TEXT, made.encode(errors="replace")


def made_up():
    """Returns messages of any kind, for a server of any dialect."""
    lists = ["[" + ",".join(["0"] * 5000) + "]", "{" + ",".join(f'"k{n}":{n}' for n in range(1500)) + "}"]
    deep = [a * n + "1" + b * n for a, b in (("[", "]"), ('{"a":', "}")) for n in (126, 127, 128, 129, 4000)]
    deep += ["[" * 4000, '{"type":"monitoring_data","data":' * 300]
    plain = NUMBERS + TEXTS + lists + deep
    data = [f'{{"type":"monitoring_data","data":{{"processor":{{"usage_percent":{n},"per_core":[{n},{n}]}},"memory":{{"used":{n},"total":{n},"usage_percent":{n}}},"disk":{{"free":{n}}},"uptime":{n}}},"timestamp":{n}}}' for n in NUMBERS]  # fmt: skip
    odd = ["", " ", "{", "}", "[1,]", '{"a":1,}', "{'a':1}", '{"type":1}', '{"type":null}', '{"type":""}', '\ufeff{"type":"x"}', "1 2", "{}{}", '{"type":"a"}\n{"type":"b"}\x1e{"type":"c"}', '{"type":"\\u0074ick","a":1e999}', "\x00", "nul", "0x10", "1e", "-", "+1", ".5", "01"]  # fmt: skip
    wrapped = [f'{{"type":"odd","text":{text},"number":{number}}}' for text, number in zip(TEXTS, NUMBERS)]
    wrapped += [f'{{"type":"odd","list":{value}}}' for value in lists + deep[:2]]
    messages = [(TEXT, text.encode(errors="replace")) for text in plain + data + odd + wrapped + computed()]
    return messages + [(PING, b""), (PING, b"\x00" * 125), (PONG, b"odd")] + binaries()


def computed():
    """Returns samples with numbers of many digits, which statistics, averages and percentages are computed of."""
    numbers = rounded()
    made = [f'{{"type":"odd","text":"{n}","number":{n},"list":[{n},-{n.lstrip("-")}]}}' for n in numbers[200:]]
    for a, b, c in zip(numbers, numbers[1:], numbers[2:]):
        at = f"{1767323045 + len(made)}.{a[-3:]}" if a[-3:].isdigit() else a
        made.append(
            f'{{"type":"monitoring_data","data":{{"processor":{{"usage_percent":{a},"per_core":[{a},{b},{c}]}},"memory":{{"used":{b},"total":{c},"usage_percent":{b}}},"disk":{{"free":{c},"total":{a}}},"uptime":{b}}},"timestamp":{at}}}'  # fmt: skip
        )
    return made


def binaries():
    """Returns binary messages, packed and framed as that of neurograph are, and not quite so."""
    text = json.dumps({"type": "simulation_data", "data": {"fps": 59.94, "list": list(range(300))}}).encode()
    packed = gzip.compress(text, mtime=0)
    head, body = packed[:10], packed[10:]
    flags = [
        head[:3] + bytes([4]) + head[4:] + b"\x03\x00abc" + body,
        head[:3] + bytes([4]) + head[4:] + b"\xff\xff" + body,
        head[:3] + bytes([8 | 16 | 2]) + head[4:] + b"name\0note\0\1\2" + body,
        head[:3] + bytes([0xE0]) + head[4:] + body,
    ]
    short = packed[:-4] + struct.pack("<I", len(text) + 1)
    bomb = gzip.compress(b" " * 3_000_000, mtime=0)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = deflate.compress(text) + deflate.flush()
    made = [text, packed, short, bomb, zlib.compress(text), zlib.compress(b"not JSON"), raw, raw[:-3], *flags]
    made += [packed[:n] for n in (1, 2, 9, 10, 11, 17, 18, 19, len(packed) - 1)] + [b"", b"\0", b"\xff" * 300]
    for kind in (0, 1, 2, 3, 4, 5, 6, 255):
        for metadata in (b"", b'{"width":1e308,"n":18446744073709551615}', b"{", b"\xff\xfe", b'{"a":"\\ud800\\u0000"}'):
            for payload in (b"", text, packed, short, bomb):
                made.append(struct.pack(">BBHI", 1, kind, len(metadata), len(payload)) + metadata + payload)
    for sizes in ((0, 0xFFFFFFFF), (0xFFFF, 0), (0xFFFF, 0xFFFFFFFF), (8, 0xFFFFFFF8), (1, 0x80000000)):
        made.append(struct.pack(">BBHI", 1, 5, *sizes) + packed)
    return [(BINARY, bytes(payload)) for payload in made]


# Frames that end a connection, by their heads and what follows.
ENDS = [
    b"\x81\x7f" + struct.pack(">Q", 4 << 20),
    b"\x81\x7f" + struct.pack(">Q", (4 << 20) + 1),
    b"\x81\x7f" + struct.pack(">Q", (1 << 32) + 5),
    b"\x82\x7f" + struct.pack(">Q", (1 << 63) - 1),
    b"\x82\x7f" + struct.pack(">Q", (1 << 64) - 1),
    b"\x01\x7f" + struct.pack(">Q", 1 << 32) + b"x" * 300,
    b"\x81\x05ab\xff\xfec",
    b"\x01\x02\xed\xa0" + b"\x80\x02\x80x",
    b"\x83\x00",
    b"\xc1\x01x",
    b"\x81\x81\x01\x02\x03\x04x",
    b"\x89\x7e\x00\x7e" + b"x" * 126,
    b"\x80\x01x",
    b"\x01\x01x\x81\x01y",
    b"\x88\x01\x03",
    b"\x88\x02\x00\x00",
    b"\x88\x0a\x0f\xa0why \x00\x1b\xe2\x80",
    b"\x88\x0d\x0f\xa0why \x1b[2J\xe2\x80\xae",
]

# Settings whose values need more than 32 bits, or nearly do.
OPTIONS = [
    option.split()
    for option in """
--max-message 1G
--max-message 1073741825
--max-message 4G
--max-message 5G
--max-message 18446744073709551615
--max-message 99999999999999999999
--rotate-size 9G
--rotate-keep 18446744073709551615
--queue 0
--count 18446744073709551615
--count 18446744073709551616
--max-reconnects 4294967296
--duration 1e9
--duration 99999999999
--duration 18446744073709551616
--every 4294968
--every 1e-9
--ping-interval 4294967.296
--reconnect-cap 1e300
--stale-after 2147484
--warning cpu=1e308
--warning cpu=4294967296:18446744073709551616
--warning cpu=0.1:0.30000000000000004/49710d
--warning memory_available=99999999T:
--help
-h
--version
""".split("\n")
    if option
]

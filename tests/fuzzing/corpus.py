"""What strangers put where something else belongs."""

# ruff: noqa: E501 — lists are easier to read long than tall

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "QUERY"]

TEXTS = [
    "", " ", "\t", "a", "\x00", "a\x00b", "\x7f", "\r\nX-Injected: 1", "\n\n", "%", "%s%n%x", "null",
    "NaN", "-1", "0", "1e309", "9" * 400, "../../../../secret", "..\\..\\secret", "/", "//", ".",
    "'; drop table jobs; --", '" or ""="', "{{7*7}}", "${jndi:ldap://127.0.0.1/a}", "<script>a</script>",
    "`id`", "$(id)", "|id", "\u202ecat", "\u200b", "\ufeff", "\ufffe", "\uffff", "\U0010ffff",
    "한글 고양이", "ﷺ" * 50, "é" * 300, "👩‍👩‍👧‍👦" * 20, "İıſK", "a" * 5000, "cat " * 700,
    "__proto__", "constructor", "true", "[]", "{}", "\\", '"', "'", "#", "?", "&", "=", ";", ",",
]  # fmt: skip

JSON_TOKENS = [
    b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"1e-400", b"-0", b"-0.0", b"0", b"1",
    b"-1", b"1.0", b"1.5", b"1E2", b"01", b"+1", b".5", b"1.", b"0x10", b"9" * 5000, b"9" * 60,
    b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809", b"18446744073709551616",
    b"true", b"false", b"null", b"undefined", b"None", b"''", b"'a'", b'""', b'" "', b'"a', b"a",
    rb'"\ud800"', rb'"\udc00\ud800"', rb'"\ud83d\ude00"', rb'"\u0000"', rb'"\x41"', rb'"\u00"',
    b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\xaf"', b'"\xf4\x90\x80\x80"', b'"\t"', b'"\x00"', b'"\x7f"',
    b"[]", b"{}", b"[null]", b"[[]]", b"[1,]", b"[,]", b"{,}", b'{"a":1,}', b'{"a"}', b"{1:2}",
    b"[" * 40 + b"]" * 40, b"[" * 5000 + b"]" * 5000, b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b"[" * 9000, b"[0" + b",0" * 3000 + b"]", b'{"__proto__":{"a":1}}', b"/**/1", b"1//", b"\xef\xbb\xbf1",
]  # fmt: skip

URLS = [
    "", "http://example.com/", "https://", "https://127.7.7.7:1/hook", "https://127.1/", "https://0/",
    "https://[::1]/", "https://[::ffff:10.0.0.1]/", "https://10.0.0.1/", "https://169.254.169.254/latest",
    "https://user:secret@127.7.7.7/", "https://localhost/", "https://2130706433/", "https://0x7f.1/",
    "https://127.0.0.1:99999/", "https://127.7.7.7:1/?a=%0d%0ab", "https://127.7.7.7:1/\r\nHost: a",
    "https://\u2460\u2461\u2466.0.0.1/", "https://xn--/", "https://a..b/", "https://-a.com/", "ftp://a/",
    "file:///etc/passwd", "gopher://127.0.0.1/", "javascript:alert(1)", "data:image/png;base64,",
    "data:image/png;base64,AAAA", "data:text/html,<b>", "//127.0.0.1/", "https:127.0.0.1", "https://[::1",
    "https://127.7.7.7:1/" + "a" * 3000, "https://" + "a." * 200 + "internal/", "https://%31%32%37.0.0.1/",
    "HTTPS://127.7.7.7:1/", " https://127.7.7.7:1/", "https://127.7.7.7:1/#frag", "https://127.0.0.1:01/",
]  # fmt: skip

PATH_PARTS = [
    "a", "-", "..", "%2e%2e", "%2e%2e%2fsecret", "%00", "a%00b", "%ff%fe", "%c0%af", "%ed%a0%80", "%", "%z",
    "%zz", "%u0041", "%25", "%2525", "%0d%0aX-Injected:%201", "%20", "+", "*", "~", "!", "'", "\"", "<a>",
    "{", "}", "|", "\\", "^", "`", "[", "]", "@", ":", ";a=b", "a;b", "a,b", "%F0%9F%98%80", "%EA%B3%A0",
    "a" * 300, "a" * 4000, "%61" * 1000, "0", "-1", "NaN", "null", "batch", "events", "deliveries", "secret",
    "task-unified-", "task-unified-0-a", "task-unified-1751280000-aaaaaaaa", "TASK-UNIFIED-1-aaaaaaaa",
    "task-unified-" + "9" * 400 + "-a", "task-unified-１-a", "task-unified-1-%0a", "msg_",
    "msg_000000000000000000000000", "00000000-0000-4000-8000-000000000000", "0" * 32,
    "{00000000-0000-4000-8000-000000000000}", "00000000-0000-4000-8000-00000000000０",
    "urn:uuid:00000000-0000-4000-8000-000000000000", "krea-2-turbo", "krea/krea-2/large", "x.png", "secret",
    "..%2fsafelight.db", "%2Fetc%2Fpasswd", "....//", "CON", "safelight.db-wal",
]  # fmt: skip

QUERY_VALUES = [
    "", "0", "1", "-1", "00", "1.0", "1e1", "１", "99999999999999999999", "9" * 5000, "NaN", "null", "true",
    "%", "%zz", "%00", "%ff", "%ed%a0%80", "%0d%0aX:1", "a%26b", "+", "a+b", "completed", "failed", "pending",
    "krea-2-turbo", "flux-1-dev", "image", "text-to-image", "COMPLETED", "completed,failed", "completed%2Cfailed",
    "[]", "{}", "'", "\"", "<", "%EA%B3%A0", "\U0001f600", "1_msg_000000000000000000000000",
    "9999999999999999_msg_000000000000000000000000", "999999999999999_msg_000000000000000000000000",
    "1763640000000_5", "2025-11-20T12:00:00.000Z_1", "eyJhIjoxfQ==", "a" * 3000, "0000000000000000000000001",
]  # fmt: skip

QUERY_NAMES = [
    "wait", "page", "page_size", "status", "model", "type", "types", "limit", "cursor", "task_id", "job_id",
    "expires", "signature", "id", "a", "", "%00", "%ff", "wait[]", "Wait", "limit%20", "constructor", "한",
]  # fmt: skip

HEADERS = [
    ("Content-Type", ["", "application/json", "text/plain", "application/json; charset=utf-16", "*/*", ";",
        "multipart/form-data", "multipart/form-data; boundary=", "application/x-www-form-urlencoded", "\xff"]),
    ("Content-Encoding", ["gzip", "br", "identity", "deflate, gzip", ""]),
    ("Accept", ["", "*/*", "text/html", "text/html;q=0.1, application/json;q=x", "application/json;q=1.1.1",
        "text/html;q=" + "9" * 400, "," * 500, "text/event-stream", "\xff", ";q=;;="]),
    ("Accept-Encoding", ["gzip", "*;q=0", "\xff"]),
    ("Accept-Language", ["ko", "*", "x" * 2000]),
    ("Last-Event-ID", ["0", "1", "-1", "9" * 30, "NaN", "\xb2", "\xbc", "１".encode().decode("latin-1"), ""]),
    ("Range", ["bytes=0-", "bytes=-1", "bytes=-0", "bytes=5-1", "bytes=0-0,1-1,2-2", "bytes=9999999999-", "bytes=",
        "bytes=a-b", "items=0-1", "bytes=0-" + "9" * 400, "bytes=" + "0-0," * 500, "bytes=--1", "bytes=0-1-2",
        "bytes=\xb2-", "bytes= 0 - 1 ", "bytes=,", "bytes=-9999999999999999999999", "byte", "=", ""]),
    ("If-Range", ["", '"a"', "Wed, 21 Oct 2015 07:28:00 GMT", "\xff", "W/"]),
    ("If-None-Match", ["*", '"a"', "\xff", "W/" * 500]),
    ("If-Modified-Since", ["Wed, 21 Oct 2015 07:28:00 GMT", "yesterday", "\xff", "9" * 400]),
    ("Idempotency-Key", ["", "a", "a b", "\xff", "é", "x" * 64, "x" * 5000, "\x7f", "key-1", '"quoted"', "\t"]),
    ("X-Webhook-URL", URLS),
    ("X-Request-Id", ["", "a", "trace-0123456789", "\xff" * 9, "<script>alert</script>", "x" * 3000, "a b c d e f g"]),
    ("X-Forwarded-For", ["127.0.0.1", "\xff", "a" * 2000]),
    ("X-Forwarded-Host", ["stranger.example"]),
    ("Forwarded", ["for=127.0.0.1;host=stranger.example"]),
    ("X-HTTP-Method-Override", ["DELETE", "\xff"]),
    ("X-Original-URL", ["/v1/credits"]),
    ("Origin", ["https://stranger.example", "null", "\xff"]),
    ("Access-Control-Request-Method", ["POST"]),
    ("Cookie", ["a=b", "a" * 3000, "\xff", ";;;"]),
    ("traceparent", ["00-00000000000000000000000000000000-0000000000000000-00", "\xff", "a" * 500,
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]),
    ("tracestate", ["a=b", "\xff", ",=,=" * 50]),
    ("Expect", ["100-continue", "tea", ""]),
    ("Connection", ["keep-alive", "upgrade", "\xff"]),
    ("Upgrade", ["websocket", "h2c"]),
    ("TE", ["trailers", "gzip"]),
    ("User-Agent", ["", "\xff", "a" * 3000, "${jndi:ldap://127.0.0.1/a}"]),
]  # fmt: skip

SCHEMES = [
    "Bearer",
    "bearer",
    "BEARER",
    "Key",
    "key",
    "Basic",
    "Bearer ",
    "Token",
    "",
    "Bearer\t",
    "Digest",
]
HOSTS = ["localhost", "127.0.0.1", "[::1]", "", "stranger.example", "localhost:", "localhost:99999", "\xff", "a b",
    "localhost, localhost", "localhost@stranger.example", "x" * 3000, "LOCALHOST", "127.1", "[::1", "0"]  # fmt: skip

"""Addresses that may not be fetched, in every disguise; tests never connect to them."""

PRIVATE_NUMBERS = """0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 127.0.0.1 127.255.255.254 168.63.129.16 169.254.169.254
172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1
239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::7f00:1 ::ffff:127.0.0.1
::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::7f00:1
64:ff9b::a9fe:a9fe 64:ff9b:1::7f00:1 100::1 2001::1 2001:10::1 2001:db8::1 2002:7f00:1:: 3fff::1 5f00::1 fc00::1
fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1""".split()
_REFUSED = """file:///etc/passwd ftp://audio.test/a gopher://audio.test/_x dict://audio.test/ unix:///run/docker.sock
data:audio/wav;base64,AAAA javascript:1 //audio.test/a audio.test/a http:///a http://
http://user@audio.test/ http://user:s3cret@audio.test/a.wav https://audio.test:pw@evil.test/ http://audio.test:8080/
http://audio.test:22/ http://audio.test:0/ https://audio.test:6379/ http://localhost/
http://LOCALHOST/ http://a.localhost/
http://localhost./ http://printer.local/ http://metadata.google.internal/ http://nas.lan/ http://audio.test./
http://2130706433/ http://0177.0.0.1/ http://0x7f000001/ http://0x7f.1/ http://127.1/ http://0/ http://127.0.0.1./
http://0x7F.0.0.1/ http://017700000001/ http://127.0.1/ http://1.2.3.4.5/ http://a.b.1/ http://[::1]/ http://[::]/
http://[::ffff:127.0.0.1]/ http://[fe80::1%25eth0]/ http://[::1%lo]/ http://audio.test\\@127.0.0.1/
http://audio.test:999999/ http://[/ http://127.0.0.1%2f@audio.test/""".split()
DISGUISED = [
    *_REFUSED,
    "http://\u2460\u2461\u2466.0.0.1/",
    "http://\uff11\uff12\uff17.0.0.1/",
    "http://localho\u017ft/",
    "http://audio.test/\r\nHost: evil",
    "http://audio.test/a b",
    " http://a.test",
    "http://a.test/" + "x" * 9000,
]

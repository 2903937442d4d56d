"""OAUTHBEARER and XOAUTH2: signed tokens and introspection, with an OAuth server of the test and curl as client."""
import base64
import hashlib
import hmac
import http.server
import json
import os
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from posta import AS_ROOT, PLAIN_BUILD, Instance, message, wait_until
from test_secrets import command_of, family, memory_has, parent_of

ISSUER, AUDIENCE = "https://id.example.test/realm", "mail.example.test"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size=None):
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


class Signer:
    """A key that signs tokens, and its public half as a JWK."""

    def __init__(self, algorithm, kid):
        self.algorithm, self.kid = algorithm, kid
        if algorithm[0] in "RP":
            self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            n = self.key.public_key().public_numbers()
            self.jwk = {"kty": "RSA", "n": number(n.n), "e": number(n.e)}
        elif algorithm[0:2] == "ES":
            self.key = ec.generate_private_key(ec.SECP256R1())
            n = self.key.public_key().public_numbers()
            self.jwk = {"kty": "EC", "crv": "P-256", "x": number(n.x, 32), "y": number(n.y, 32)}
        else:
            self.key = ed25519.Ed25519PrivateKey.generate()
            raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            self.jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}
        self.jwk.update({"kid": kid, "use": "sig"})

    def sign(self, text):
        if self.algorithm[0] == "R":
            return self.key.sign(text, padding.PKCS1v15(), hashes.SHA256())
        if self.algorithm[0] == "P":
            return self.key.sign(text, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        if self.algorithm[0:2] == "ES":
            r, s = utils.decode_dss_signature(self.key.sign(text, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return self.key.sign(text)

    def token(self, user, header=None, **claims):
        now = int(time.time())
        body = {"iss": ISSUER, "aud": AUDIENCE, "exp": now + 600, "iat": now, "email": user, "scope": "openid mail"}
        body.update(claims)
        body = {name: value for name, value in body.items() if value is not None}
        head = {"alg": self.algorithm, "typ": "at+jwt", "kid": self.kid, **(header or {})}
        text = b64(json.dumps(head).encode()) + "." + b64(json.dumps(body).encode())
        return text + "." + b64(self.sign(text.encode()))


class OAuthServer(http.server.ThreadingHTTPServer):
    """/keys: the JWK set; /introspect: what `tokens` says of a token, for those who know the password."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.keys, self.tokens, self.asked = [], {}, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def use_tls(self, instance):
        """From now on https, with a certificate by the instance's own authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{instance.conf}/tls/server.pem", f"{instance.conf}/tls/server.key")
        self.socket = context.wrap_socket(self.socket, server_side=True)
        return f"https://localhost:{self.server_address[1]}/keys"

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, body, status=200):
            text = json.dumps(body).encode() if not isinstance(body, bytes) else body
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self):
            self.server.asked.append(self.path)
            self.answer({"keys": self.server.keys})

        def do_POST(self):
            import urllib.parse
            form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            if self.headers["Authorization"] != "Basic " + base64.b64encode(b"posta:s3cret").decode():
                return self.answer({}, 401)
            self.answer(self.server.tokens.get(form["token"][0], {"active": False}))

        def log_message(self, *_):
            pass


class OAuth(unittest.TestCase):
    settings = {}

    @classmethod
    def begin(cls, build=None, **settings):
        cls.server = OAuthServer()
        cls.addClassCleanup(cls.server.server_close)
        cls.addClassCleanup(cls.server.shutdown)
        cls.instance = Instance(**({"build": build} if build else {}), start=False, main={"auth_mechanisms": "plain, oauthbearer, xoauth2"})
        cls.addClassCleanup(cls.instance.close)
        settings = {name: value(cls.server, cls.instance) if callable(value) else value for name, value in settings.items()}
        cls.instance.set(**settings)
        cls.instance.start()

    def curl(self, url, user, token):
        return subprocess.run(["curl", "-sS", "-k", url, "-u", user + ":", "--oauth2-bearer", token],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)

    def login(self, token, user="alice@example.test", mechanism="XOAUTH2", said=None):
        """None, or the line of the log that says why not."""
        i = self.instance
        before = len(i.log())
        said = said or {"XOAUTH2": f"user={user}\x01auth=Bearer {token}\x01\x01",
                        "OAUTHBEARER": f"n,a={user},\x01host=localhost\x01auth=Bearer {token}\x01\x01"}[mechanism]
        answers = [said.encode(), b"" if mechanism == "XOAUTH2" else b"\x01"]
        self.challenges = []

        def answer(challenge):
            self.challenges.append(challenge)
            return answers.pop(0)
        with i.imap("x", login=False) as client:
            try:
                client.authenticate(mechanism, answer)
                return None
            except client.error:
                pass
        return wait_until(lambda: [line for line in i.log()[before:].splitlines()
                                   if "login failed" in line or "put off" in line], what="a line about the login")[-1]


class Signed(OAuth):
    @classmethod
    def setUpClass(cls):
        cls.signers = [Signer(a, f"k{n}") for n, a in enumerate(("RS256", "PS256", "ES256", "EdDSA"))]
        cls.begin(oauth_issuer=ISSUER, oauth_audience=AUDIENCE, oauth_scope="mail",
                  oauth_keys=lambda server, instance: server.use_tls(instance),
                  oauth_CAfile=lambda server, instance: instance.ca)
        cls.server.keys = [signer.jwk for signer in cls.signers]

    def test_good(self):
        i = self.instance
        for signer in self.signers:
            for mechanism in ("XOAUTH2", "OAUTHBEARER"):
                self.assertIsNone(self.login(signer.token("alice@example.test"), mechanism=mechanism), signer.algorithm)
        token = self.signers[0].token("bob@example.test", aud=["other", AUDIENCE])
        for url in (f"imaps://127.0.0.1:{i.port(993)}/", f"pop3s://127.0.0.1:{i.port(995)}/"):
            done = self.curl(url, "bob@example.test", token)
            self.assertEqual(done.returncode, 0, done.stdout + i.log_tail(5))
        with i.smtp(465) as client:
            client.ehlo()
            self.assertIn("OAUTHBEARER", client.esmtp_features["auth"])
            said = base64.b64encode(f"user=bob@example.test\x01auth=Bearer {token}\x01\x01".encode()).decode()
            self.assertEqual(client.docmd("AUTH", "XOAUTH2 " + said)[0], 235)
            client.sendmail("bob@example.test", ["alice@example.test"], message("bob@example.test", subject="by token"))
        # No token in the log; the keys were fetched once.
        self.assertNotIn(token[:40], i.log())
        self.assertEqual(self.server.asked.count("/keys"), 1)

    def test_bad(self):
        good = self.signers[0]
        now = int(time.time())
        text, signature = good.token("alice@example.test").rsplit(".", 1)
        public = good.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        forged = b64(json.dumps({"alg": "HS256", "kid": "k0"}).encode()) + "." + text.split(".")[1]
        bare = b64(b'{"alg":"none"}') + "." + text.split(".")[1]
        other = Signer("RS256", "k0")
        for reason, token in (
                ("algorithm is not taken", forged + "." + b64(hmac.digest(public, forged.encode(), hashlib.sha256))),
                ("no signed token", bare + "."), ("algorithm is not taken", bare + ".AAAA"),
                ("algorithm is not taken", good.token("alice@example.test", {"crit": ["b64"]})),
                ("signature is wrong", text + "." + b64(b"x" * 256)),
                ("signature is wrong", other.token("alice@example.test")),
                ("key is not known", good.token("alice@example.test", {"alg": "ES256"})),
                ("key is not known", good.token("alice@example.test", {"kid": "k2"})),
                ("has expired", good.token("alice@example.test", exp=now - 61)),
                ("no end", good.token("alice@example.test", exp=None)),
                ("has expired", good.token("alice@example.test", exp="never")),
                ("not valid yet", good.token("alice@example.test", nbf=now + 120)),
                ("another issuer", good.token("alice@example.test", iss=ISSUER + "/")),
                ("another issuer", good.token("alice@example.test", iss=None)),
                ("another audience", good.token("alice@example.test", aud="calendar.example.test")),
                ("another audience", good.token("alice@example.test", aud=None)),
                ("scope does not suffice", good.token("alice@example.test", scope="openid mailing")),
                ("not verified", good.token("alice@example.test", email_verified=False)),
                ("names no user", good.token(None)),
                ("of another user", good.token("bob@example.test")),
                ("no signed token", "opaque"),
                ("nested too deeply", b64(b"[" * 1000) + ".e30.AAAA")):
            line = self.login(token)
            self.assertIn(reason, line or "logged in", (reason, token))
        self.assertEqual(json.loads(self.challenges[-1])["status"], "400")
        for said in ("", "user=alice@example.test\x01\x01", "n,a=alice@example.test,\x01auth=Bearer x\x01\x01",
                     "user=alice@example.test\x01auth=Basic x\x01\x01", "user=alice@example.test\x01auth=Bearer \x01\x01"):
            self.assertIsNotNone(self.login("", said=said or "\x01"))
        self.assertIn("unknown user", self.login(good.token("nobody@example.test"), "nobody@example.test"))


class Introspected(OAuth):
    @classmethod
    def setUpClass(cls):
        with tempfile.NamedTemporaryFile("w", delete=False) as secret:
            secret.write("posta:s3cret\n")
        cls.addClassCleanup(os.unlink, secret.name)
        cls.begin(oauth_introspection_url=lambda server, _: server.url("/introspect"), oauth_user_claim="username",
                  oauth_introspection_password_file=secret.name)

    def test_introspection(self):
        now = int(time.time())
        self.server.tokens.update({
            "opaque+/=": {"active": True, "username": "alice@example.test", "exp": now + 60},
            "old": {"active": True, "username": "alice@example.test", "exp": now - 90},
            "inactive": {"active": False, "username": "alice@example.test"},
            "text": {"active": "true", "username": "alice@example.test"},
            "large": {"active": True, "username": "alice@example.test", "x": "y" * 300000},
            "list": b"[]", "cut": b'{"active": true, "username": "alice@exam',
        })
        self.assertIsNone(self.login("opaque+/="))
        self.assertIsNone(self.login("opaque+/=", mechanism="OAUTHBEARER"))
        for token, reason in (("old", "expired"), ("inactive", "not active"), ("text", "not active"),
                              ("unknown", "not active"), ("large", "put off"), ("list", "put off"), ("cut", "put off")):
            self.assertIn(reason, self.login(token) or "logged in", token)
        self.assertNotIn("s3cret", self.instance.log())


@unittest.skipUnless(AS_ROOT, "only root may look into other processes")
class Kept(OAuth):
    def test_no_program_keeps_a_token(self):
        self.begin(build=PLAIN_BUILD, oauth_introspection_url=lambda server, _: server.url("/introspect"))
        token = "opaque-" + "this.is~not-to-be-kept" * 3
        self.assertIn("put off", self.login(token))
        status = self.instance.posta("status", "--json").text.splitlines()
        pids = family(parent_of(next(json.loads(line)["pid"] for line in status if '"auth"' in line)))
        self.assertIn("oauth", [command_of(pid) for pid in pids])
        found = {command_of(pid): memory_has(pid, [token[20:50].encode(), b"~not-to-be-kept"]) for pid in pids}
        self.assertEqual({name: what for name, what in found.items() if what}, {})


class Unfinished(unittest.TestCase):
    def test_start_names_what_is_missing(self):
        with Instance(start=False, main={"auth_mechanisms": "plain, oauthbearer"}) as i:
            done = i.posta("start", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("auth: auth_mechanisms: oauthbearer and xoauth2 need oauth_keys", done.text)
            self.assertIn("not started", done.text)


if __name__ == "__main__":
    unittest.main()

"""One site, one server: runs inside the namespaces, in a root of its own.  inner.py SITE posta|postfix [assist]
Takes /opt/stub/site/{main,master}.cf, leaves /opt/stub/out/result.json."""
import collections, grp, hashlib, json, os, pwd, re, shutil, socket, subprocess, sys, threading, time
sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__)); sys.path.insert(0, HERE)
import dns, plan, stubs, talk
T0 = time.time()
sid, server = sys.argv[1], sys.argv[2]; assist = 'assist' in sys.argv[3:]
HOST = 'mail.site.example'; ME = '192.0.2.25'; LAN = '192.0.2.99'; FAR = '203.0.113.7'
BIN = '/opt/posta/bin/posta'
notes = []
def sh(*a, timeout=20, **k):
    try: p = subprocess.run(a, capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL, **k)
    except subprocess.TimeoutExpired: return 'timeout', ''
    except OSError as e: return 'missing', str(e)
    return p.returncode, (p.stdout + p.stderr).decode('utf-8', 'replace')
def put(path, text, mode=0o644, owner=None):
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.islink(path) or (os.path.exists(path) and not os.path.isfile(path)):
            if os.path.isdir(path) and not os.path.islink(path): return
            os.unlink(path)
        with open(path, 'w') as f: f.write(text)
        os.chmod(path, mode)
        if owner: os.chown(path, *owner)
    except OSError as e: notes.append('stub %s: %s' % (path, e))

# ---- the host ----
def host(S):
    for c in ('ip link set lo up', 'ip link add v0 type veth peer name v1', 'ip addr add %s/24 dev v0' % ME, 'ip link set v0 up'): sh(*c.split())
    names = dict(smtp=None)
    old = {}
    for l in open('/etc/passwd'):
        f = l.strip().split(':')
        if len(f) > 6: old[f[0]] = f
    og = {f[0]: f for f in (l.strip().split(':') for l in open('/etc/group')) if len(f) > 3}
    P = collections.OrderedDict(); G = collections.OrderedDict()
    for n, i in (('root', 0), ('daemon', 1), ('bin', 2), ('sys', 3), ('adm', 4), ('tty', 5), ('mail', 8), ('news', 9), ('uucp', 10), ('man', 12), ('proxy', 13), ('www-data', 33), ('backup', 34),
                 ('list', 38), ('irc', 39), ('shadow', 42), ('utmp', 43), ('sasl', 45), ('staff', 50), ('users', 100), ('nogroup', 65534), ('nobody', 65533)): G[n] = i
    for n, i, g in (('root', 0, 0), ('daemon', 1, 1), ('bin', 2, 2), ('sys', 3, 3), ('man', 6, 12), ('mail', 8, 8), ('news', 9, 9), ('uucp', 10, 10), ('proxy', 13, 13), ('www-data', 33, 33),
                    ('backup', 34, 34), ('list', 38, 38), ('irc', 39, 39), ('nobody', 65534, 65534)): P[n] = (i, g, '/nonexistent')
    def gid(n, d): G[n] = int(og[n][2]) if n in og else d; return G[n]
    def uid(n, d, g): P[n] = (int(old[n][2]) if n in old else d, g, old[n][5] if n in old else '/nonexistent')
    uid('postfix', 103, gid('postfix', 109)); gid('postdrop', 110)
    for n, d in [('posta', 999)] + [('posta' + n, 998 - i) for i, n in enumerate(('smtp', 'login', 'agent', 'info', 'auth', 'keys', 'log', 'filter', 'table', 'connect'))]: uid(n, d, gid(n, d))
    G['vmail'] = 5000; P['vmail'] = (5000, 5000, '/var/vmail')
    for n, i in (('alice', 1001), ('bob', 1002)): G[n] = i; P[n] = (i, i, '/home/' + n)
    us, gs = S.accounts(); nx = 2000
    for g in sorted(set(us + gs)):
        if g not in G: G[g] = nx; nx += 1
    for u in us:
        if u not in P: P[u] = (nx, G[u], '/nonexistent'); nx += 1
    sec = '$6$sitestests$bdDVbBgveF0z.Uuu8ai3uaryH3naADpo7.5eQ9aHEhgiXgkfW166dBvaAGYx6e4qVbkosR2C89aBSiPKKycVQ.'
    put('/etc/passwd', ''.join('%s:x:%d:%d::%s:/bin/sh\n' % (n, u, g, h) for n, (u, g, h) in P.items()))
    put('/etc/group', ''.join('%s:x:%d:\n' % x for x in G.items()))
    put('/etc/shadow', ''.join('%s:%s:19000:0:99999:7:::\n' % (n, sec if n in ('alice', 'bob') else '*') for n in P), 0o640)
    put('/etc/nsswitch.conf', 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n')
    put('/etc/hosts', '127.0.0.1 localhost\n::1 localhost\n%s %s mail\n' % (ME, HOST))
    put('/etc/resolv.conf', 'nameserver 127.0.0.53\n'); put('/etc/mailname', 'site.example\n')
    for n in ('alice', 'bob'):
        shutil.rmtree('/home/' + n, ignore_errors=True); os.makedirs('/home/' + n, 0o700); os.chown('/home/' + n, P[n][0], P[n][1])
    for d in ('/var/mail', '/var/spool/mail'):
        if os.path.isdir(d) and not os.path.islink(d): shutil.rmtree(d, ignore_errors=True)
    os.makedirs('/var/mail', exist_ok=True); os.chown('/var/mail', 0, 8); os.chmod('/var/mail', 0o2775)
    if not os.path.exists('/var/spool/mail'): os.symlink('/var/mail', '/var/spool/mail')
    os.makedirs('/var/vmail', exist_ok=True); os.chown('/var/vmail', 5000, 5000)
    base = S.x('virtual_mailbox_base')
    if base.startswith('/'):
        os.makedirs(base, exist_ok=True); u = re.search(r'static:(\d+)', S.x('virtual_uid_maps')); g = re.search(r'static:(\d+)', S.x('virtual_gid_maps'))
        if base not in ('/', '/home', '/var', '/var/mail', '/tmp'): os.chown(base, int(u.group(1)) if u else 5000, int(g.group(1)) if g else 5000)
        elif base == '/var/mail': os.chmod(base, 0o3777)
    put('/etc/postfix/sasl/smtpd.conf', 'pwcheck_method: saslauthd\nmech_list: PLAIN LOGIN\n')

# ---- the site's files ----
def files(S):
    cert = open(HERE + '/test-cert.pem').read(); i = cert.index('-----BEGIN CERT'); key, crt = cert[:i], cert[i:]
    for s, k, v in S.values():
        if v.startswith('/') and re.search(r'_(cert_file|dcert_file|eccert_file)$|CAfile$', k):
            put(v, crt if not re.search(r'combined|\bpem\b', '') else cert)
    for s, k, v in S.values():
        if v.startswith('/') and re.search(r'_(key_file|dkey_file|eckey_file)$', k): put(v, cert, 0o600)   # certificate and key in one file, where the site has one
        if k.endswith('chain_files'):
            ps = re.findall(r'/[^\s,]+', v)
            for p in ps: put(p, cert if len(ps) == 1 else key if re.search(r'key', os.path.basename(p)) else crt, 0o600)
        if k.endswith('CApath') and v.startswith('/'): os.makedirs(v, exist_ok=True)
    for k, c in (('mydestination', 'local'), ('virtual_mailbox_domains', 'virtual'), ('virtual_alias_domains', 'alias'), ('relay_domains', 'relay'), ('mynetworks', ''), ('masquerade_domains', ''), ('masquerade_exceptions', '')):
        for p in re.findall(r'(?:^|[\s,])(/[^\s,]+)', S.x(k)):
            put(p, '10.9.0.0/16\n' if k == 'mynetworks' else dict(S.domains()).get(c, 'stub.example') + '\n')
    for p in re.findall(r'(?:^|[\s,])(/[^\s,]+)', S.x('myorigin')): put(p, 'site.example\n')
    pf = '/opt/stub/pfbase'
    if server == 'postfix':
        put(pf + '/main.cf', 'compatibility_level = 3.6\n'); put(pf + '/master.cf', '')
        try: shutil.copy('/etc/postfix/dynamicmaps.cf', pf)
        except OSError: pass
    by = {}
    T = S.tables()
    T.setdefault(('hash', '/etc/aliases'), set()).add('alias_maps')
    merged = {}
    for (t, p), u in T.items(): merged.setdefault(p, [set(), set()]); merged[p][0].add(t); merged[p][1].update(u)
    for p, (types, uses) in sorted(merged.items()):
        t0 = sorted(types)[0]
        if types & {'regexp', 'pcre', 'cidr'}: put(p, S.pattern(uses, 'cidr' in types)); continue
        if types & set(plan.REMOTE): put(p, 'hosts = 127.0.0.1\nuser = x\npassword = y\ndbname = d\nquery = SELECT 1\nserver_host = 127.0.0.1\nsearch_base = dc=x\ndbpath = /nonexistent/x.db\n'); continue
        text, form = S.content(uses, p)
        if 'texthash' in types: text = text.replace(': ', ' ')
        put(p, text)
        for t in types & set(plan.INDEXED):
            if server == 'posta': r = sh(BIN, 'alias' if form == 'alias' else 'map', t + ':' + p)  if False else sh(BIN, '-c', '/opt/stub/pfbase', 'alias' if form == 'alias' else 'map', t + ':' + p)
            else: r = sh('postalias' if form == 'alias' else 'postmap', '-c', pf, t + ':' + p)
            if r[0]: notes.append('table %s:%s: %s' % (t, p, r[1][-200:]))

INTERP = re.compile(r'^(perl|python[\d.]*|sh|bash|dash|env|ruby|php[\d.]*)$')
def programs(S):
    py = '/usr/bin/python3' if os.path.exists('/usr/bin/python3') else sys.executable
    for argv in S.programs():
        p = argv[0]
        if INTERP.match(os.path.basename(p)):
            if not os.path.exists(p) and p.startswith('/'):     # an interpreter at a place of its own
                pass
            else:
                q = [a for a in argv[1:] if a.startswith('/')]
                if not q: continue
                lang = os.path.basename(p); p = q[0]
                if lang.startswith('perl'): put(p, 'exec "%s", "-I", "/opt/stub/lib/prog.py", $0, @ARGV;\n' % py, 0o755); continue
                if lang.startswith('python'): put(p, 'import os,sys\nos.execv("%s",["python3","-I","/opt/stub/lib/prog.py"]+sys.argv)\n' % py, 0o755); continue
        if not p.startswith('/'): p = '/usr/bin/' + p
        if '$' in p: continue
        put(p, '#!/bin/sh\nexec %s -I /opt/stub/lib/prog.py "$0" "$@"\n' % py, 0o755)

# ---- endpoints ----
LOOP = ('127.0.0.1', 'localhost', '::1', '0.0.0.0', '127.0.0.2')
def endpoints(S, own):
    local, remote = [], []
    qd = {'/var/spool/postfix'}
    if server == 'posta' and S.x('queue_directory').startswith('/'): qd.add(S.x('queue_directory'))
    for e in S.endpoints():
        if e['sock'][0] == 'unix':
            p = e['sock'][1]
            for q in sorted(qd):
                if not p.startswith(q + '/'): local.append(dict(e, sock=q + '/' + p.lstrip('/')))
            if p.startswith('/'): local.append(dict(e, sock=p))
            continue
        h, port = e['sock']; x = dict(e)
        if e['kind'] == 'filter' or (e['kind'] == 'lmtp' and S.reinject(port) and any(v.startswith(e['at']) for s, k, v in S.values() if k == 'content_filter')):
            r = S.reinject(port)
            if r: x['reinject'] = [r[1] if r[1] and r[1] not in LOOP else ME if h not in LOOP and h not in own else '127.0.0.1', r[0]]
        if h in LOOP or h in own:
            x['sock'] = ['127.0.0.1' if h in LOOP else h, port]
            # The same service under two names, one of which may be ::1 too: it knows itself by one.
            same = [y['at'] for y in local if (y['kind'], y['sock']) == (x['kind'], x['sock'])]
            if same: x['at'] = same[0]
            else: local.append(x)
            if h == 'localhost' or h == '::1': local.append(dict(x, sock=['::1', port]))
        else: x['sock'] = ['0.0.0.0', port]; remote.append(x)
    if any(v == 'yes' for s, k, v in S.values() if k == 'smtpd_sasl_auth_enable'):
        for p in ('/run/saslauthd/mux', '/var/run/saslauthd/mux', '/var/spool/postfix/var/run/saslauthd/mux'): local.append(dict(kind='saslauthd', at='saslauthd', sock=p))
    have = {e['sock'][1] for e in remote}
    for p in (25, 24, 26, 587, 2525): 
        if p not in have: remote.append(dict(kind='smtp', at=None, sock=['0.0.0.0', p]))
    if 465 not in have: remote.append(dict(kind='smtp', at=None, sock=['0.0.0.0', 465], tls=True))
    for e in remote:
        if e['kind'] == 'smtp': e['at'] = None
    return local, remote

CLIENT = '''
import sys,subprocess,json,os
sys.dont_write_bytecode=True
sys.path.insert(0,%r)
os.set_blocking(0,True)
q=json.loads(sys.stdin.readline())
for c in q["cmd"]: subprocess.run(c.split(),capture_output=True)
import stubs,talk
for e in q["stubs"]:
    if e["kind"] in("smtp","filter","lmtp"): e["names"]=q["names"]
stubs.serve(q["stubs"])
print("ready",flush=True)
talk.serve()
''' % HERE

class Far:
    def __init__(self, S, remote, names, extra):
        self.p = subprocess.Popen(['unshare', '-n', sys.executable, '-c', CLIENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        time.sleep(0.3)
        sh('ip', 'link', 'set', 'v1', 'netns', str(self.p.pid))
        cmd = ['ip link set lo up', 'ip addr add %s/24 dev v1' % LAN, 'ip link set v1 up'] + ['ip route add local %s dev lo' % n for n in ('192.0.2.112/28', '203.0.113.0/24', '198.51.100.0/24', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10')]
        cmd += ['ip route add %s/32 via %s dev v1 table local' % (a, ME) for a in extra]
        sh('ip', 'route', 'add', 'default', 'via', LAN, 'dev', 'v0')
        self.p.stdin.write(json.dumps(dict(cmd=cmd, stubs=remote, names=names)) + '\n'); self.p.stdin.flush(); self.p.stdout.readline()
        self.n = 0; self.w = {}; self.lock = threading.Lock()
        threading.Thread(target=self.read, daemon=True).start()
    def read(self):
        for l in self.p.stdout:
            d = json.loads(l); e = self.w[d['id']]; e[1] = d['r']; e[0].set()
    def talk(self, *a, **k):
        with self.lock:
            self.n += 1; i = self.n; e = self.w[i] = [threading.Event(), None]
            self.p.stdin.write(json.dumps(dict(id=i, a=a, k=k)) + '\n'); self.p.stdin.flush()
        return e[1] if e[0].wait(70) else [['!timeout']]

def syslog(lines):
    try: os.unlink('/dev/log')
    except OSError: pass
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind('/dev/log'); os.chmod('/dev/log', 0o666)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    def run():
        while 1: lines.append(s.recv(65536).rstrip(b'\0\n').decode('utf-8', 'replace'))
    threading.Thread(target=run, daemon=True).start()

# ---- replies ----
def code(r):
    """the last line of a reply as 'code enhanced'"""
    l = r[-1] if r else '!none'
    m = re.match(r'(\d{3})[ -](?:(\d\.\d{1,3}\.\d{1,3})\b)?', l)
    return l if not m else m.group(1) + (' ' + m.group(2) if m.group(2) else '')
def keywords(r):
    k = set()
    for l in r[1:]:
        w = l[4:].split()
        if w: k.add('AUTH ' + ' '.join(sorted(w[1:])) if w[0] == 'AUTH' else 'SIZE ' + w[1] if w[0] == 'SIZE' and len(w) > 1 else w[0] if not w[0].startswith('AUTH=') else 'AUTH=')
    return sorted(k)

def main():
    S = plan.Site(open('/opt/stub/site/main.cf').read(), open('/opt/stub/site/master.cf').read(), HOST)
    R = dict(site=sid, server=server, partial=S.partial())
    host(S)
    own = set()
    txt = S.x('inet_interfaces') + ' ' + S.x('smtp_bind_address') + ' ' + ' '.join((s.addr()[0] or '') for s in S.inet()) + ' ' + ' '.join(v for s, k, v in S.values() if k in ('smtp_bind_address', 'smtp_bind_address6', 'inet_interfaces'))
    for a in set(re.findall(r'(?<![\d.])\d+\.\d+\.\d+\.\d+(?![\d./])', txt)):
        if not a.startswith('127.') and a != '0.0.0.0': own.add(a); sh('ip', 'addr', 'add', a + '/32', 'dev', 'lo')
    for a in set(re.findall(r'(?<![\w:])(?:[0-9a-f]{1,4}:)+[0-9a-f:]+', txt)): sh('ip', '-6', 'addr', 'add', a + '/128', 'dev', 'lo')
    # names
    D = dict(S.domains())
    alltxt = '\n'.join(v for s, k, v in S.values()) + '\n' + open('/opt/stub/site/master.cf').read()
    found = set(re.findall(r'(?<![\w./@-])(?:[a-z0-9-]+\.)+example\b', alltxt))
    for e in S.endpoints():
        h = e['sock'][0]
        if h != 'unix' and not re.match(r'[\d.:]+$', h) and h not in LOOP: found.add(h)
    if re.match(r'[a-zA-Z][\w-]*$', S.x('relayhost')): found.add(S.x('relayhost'))
    for h in re.findall(r'\[([a-zA-Z][\w-]*)\]', S.x('relayhost') + S.x('content_filter') + S.x('transport_maps')): found.add(h)
    fixed = {'mx.outside.example': FAR, 'outside.example': FAR, 'client.example': FAR, HOST: ME, 'mx.client.example': FAR, 'mx.outside2.example': '203.0.113.8', 'next.transp.example': '203.0.113.9'}
    for i in range(200, 250): fixed['c%d.outside.example' % i] = '203.0.113.%d' % i
    hn = S.x('myhostname')
    if re.match(r'[\w.-]+$', hn): fixed[hn.lower()] = ME
    if 'relay' in D: fixed['mx.' + D['relay']] = '203.0.113.10'
    spread = sorted(n.lower() for n in found if n.lower() not in fixed and n not in ('localhost',) and not re.search(r'dns[bw]l\d', n))
    net = lan_net(S)
    for i, n in enumerate(x for x in spread if '.' not in x):       # neighbours by a bare name are of the site's own network
        if net and net.num_addresses > 64: fixed[n] = str(net[20 + i])
        elif 'mynetworks' not in S.main: fixed[n] = '192.0.2.%d' % (112 + i % 16)
    spread = [n for n in spread if n not in fixed]
    zone = dns.Zone(fixed, spread); dns.serve(zone)
    rev = {}
    for n in list(fixed) + spread + ['mx.transp.example', 'mx.elsewhere.example']: rev.setdefault(zone.addr(n), n)
    # files
    keepf = ('dynamicmaps.cf', 'dynamicmaps.cf.d', 'postfix-files', 'postfix-files.d', 'postfix-script', 'post-install', 'postfix-wrapper', 'makedefs.out', 'postfix_wrapper')
    os.makedirs('/etc/postfix', exist_ok=True)
    for n in os.listdir('/etc/postfix'):
        if server == 'postfix' and n in keepf: continue
        p = '/etc/postfix/' + n
        if n == 'sasl': continue
        shutil.rmtree(p, ignore_errors=True) if os.path.isdir(p) and not os.path.islink(p) else os.unlink(p)
    for n in ('main.cf', 'master.cf'): shutil.copy('/opt/stub/site/' + n, '/etc/postfix/' + n); os.chmod('/etc/postfix/' + n, 0o644)
    shutil.rmtree('/var/spool/postfix', ignore_errors=True)
    pu = pwd.getpwnam('postfix'); pd = grp.getgrnam('postdrop').gr_gid
    for q in {'/var/spool/postfix', S.x('queue_directory') if server == 'posta' else '/var/spool/postfix'}:
        if not q.startswith('/'): continue
        os.makedirs(q, exist_ok=True)
        for d in ('active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold', 'incoming', 'private', 'saved', 'trace'): os.makedirs(q + '/' + d, 0o700, exist_ok=True); os.chown(q + '/' + d, pu.pw_uid, 0)
        os.makedirs(q + '/maildrop', exist_ok=True); os.chown(q + '/maildrop', pu.pw_uid, pd); os.chmod(q + '/maildrop', 0o1730)
        os.makedirs(q + '/public', exist_ok=True); os.chown(q + '/public', pu.pw_uid, pd); os.chmod(q + '/public', 0o710 | 0o2000)
        os.makedirs(q + '/pid', exist_ok=True)
    shutil.rmtree('/var/lib/postfix', ignore_errors=True); os.makedirs('/var/lib/postfix'); os.chown('/var/lib/postfix', pu.pw_uid, pu.pw_gid)
    if server == 'posta':
        put('/opt/stub/pfbase/main.cf', ''); put('/opt/stub/pfbase/master.cf', '')
        for d in ('/var/spool/posta', '/var/lib/posta'): shutil.rmtree(d, ignore_errors=True); os.makedirs(d)
    files(S); programs(S)
    lines = []; syslog(lines)
    local, remote = endpoints(S, own)
    stubs.serve(local)
    far = Far(S, remote, rev, own)
    # ---- start ----
    ports = S.smtpd()
    if server == 'posta':
        if assist:
            put('/etc/postfix/users', '', 0o600); sh(BIN, '-c', '/etc/postfix', 'map', 'hash:/etc/postfix/users')
            for k in ('daemon_directory', 'queue_directory', 'data_directory', 'mail_owner'):
                if k in S.main: sh(BIN, '-c', '/etc/postfix', 'conf', '-X', k)
        rc, out = sh(BIN, '-c', '/etc/postfix', 'check', timeout=12)
        if 'migrate' in sys.argv[3:]:
            words = sh(BIN, 'migrate', 'postfix', '/etc/postfix', timeout=30)[1].split('\n\n')
            R['migrate'] = [l.strip() for w in words if w.startswith('Differs') for l in w.split('\n')[1:] if l.strip()] \
                + [l for l in out.split('\n') if l.startswith('error:') and 'there is no user posta' not in l]   # the start makes them
        R['check'] = dict(rc=rc, errors=out.count('error:'), warnings=out.count('warning:'))
        P = subprocess.Popen([BIN, '-c', '/etc/postfix', 'start', '--foreground'], stdout=open('/opt/stub/out/start.txt', 'wb'), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        alive = lambda: P.poll() is None
    else:
        for k, v in (('daemon_directory', '/usr/lib/postfix/sbin'), ('command_directory', '/usr/sbin'), ('queue_directory', '/var/spool/postfix'), ('data_directory', '/var/lib/postfix'), ('mail_owner', 'postfix'), ('setgid_group', 'postdrop')):
            if k in S.main: sh('postconf', '-e', k + '=' + v)
        for k in ('shlib_directory', 'meta_directory', 'sendmail_path', 'newaliases_path', 'mailq_path', 'manpage_directory', 'html_directory', 'readme_directory', 'sample_directory', 'maillog_file', 'config_directory'):
            if k in S.main: sh('postconf', '-X', k)
        # A default that 3.7 does not have yet: the site was written for it.
        level = [int(x) for x in re.findall(r'\d+', S.x('compatibility_level'))[:2]]
        if level >= [3, 11] and 'smtp_tls_security_level' not in S.main: sh('postconf', '-e', 'smtp_tls_security_level=may')
        for n in ('resolv.conf', 'hosts', 'services', 'nsswitch.conf', 'localtime'):
            try: os.makedirs('/var/spool/postfix/etc', exist_ok=True); shutil.copy('/etc/' + n, '/var/spool/postfix/etc/' + n)
            except OSError: pass
        os.makedirs('/var/spool/postfix/lib/x86_64-linux-gnu', exist_ok=True)
        sh('sh', '-c', 'cp /lib/x86_64-linux-gnu/libnss_*.so* /var/spool/postfix/lib/x86_64-linux-gnu/')
        rc, out = sh('postfix', 'start', timeout=40); put('/opt/stub/out/start.txt', out)
        alive = lambda: rc == 0
    up = False; end = time.time() + (10 if server == 'posta' else 8)
    first = ports[0] if ports else None
    ii = [w.strip('[]').lower() for w in plan.words(S.x('inet_interfaces'))] or ['all']
    if S.x('inet_protocols').lower() == 'ipv6': LO_, OUT_ = '::1', '::1'
    elif 'all' in ii: LO_, OUT_ = '127.0.0.1', ME
    else:
        v4 = [w if re.match(r'\d+\.', w) else '127.0.0.1' if w in ('loopback-only', 'localhost') else ME for w in ii if ':' not in w]
        OUT_ = next((w for w in v4 if not w.startswith('127.')), '127.0.0.1'); LO_ = next((w for w in v4 if w.startswith('127.')), OUT_)
    def dst(p): h = p[1]; return ('127.0.0.1' if h in LOOP else h) if h else OUT_
    def loc(p): h = p[1]; return ('127.0.0.1' if h in LOOP else h) if h else LO_
    while time.time() < end and alive() and first:
        for a in (loc(first), dst(first)):
            try: socket.create_connection((a, first[0]), timeout=1).close(); up = True; break
            except OSError: pass
        if up: break
        time.sleep(0.25)
    if not first and alive(): time.sleep(2)
    R['alive'] = alive(); R['started'] = bool(alive() and (up or not first))
    R['up'] = up
    if R['started'] and first:
        if server == 'posta': time.sleep(0.5)
        k = dict(tls=True) if first[2] else {}
        g = [code(talk.talk(a, a, first[0], ['QUIT'], timeout=9, **k)[0]) for a in {loc(first), dst(first)}]
        if not any(x[:1] == '2' for x in g): R['started'] = False; R['why'] = [re.sub(r'^.*?: ', '', l)[:300] for l in lines if 'fatal' in l][:3]
    if R['started']:
        drive(S, R, far, ports, D, hn, dst, loc)
        collect(S, R, rev)
    R['log_warned'] = any(re.search(r'warning|error|fatal|panic', l) for l in lines)
    R['notes'] = notes; R['seconds'] = round(time.time() - T0, 1)
    json.dump(R, open('/opt/stub/out/result.json', 'w'), indent=1, sort_keys=True)
    open('/opt/stub/out/log.txt', 'w').write('\n'.join(lines) + '\n')
    os._exit(0)

MSG = '''From: %s
To: %s
Subject: %s
X-Test-Ignore: 1
X-Test-Prepend: 1

A line of text.
TEST-BODY-IGNORE
The last line.
'''
def lan_net(S):
    import ipaddress
    for w in plan.words(S.x('mynetworks')):
        try: n = ipaddress.ip_network(w, strict=False)
        except ValueError: continue
        if n.version == 4 and n.is_private and not n.is_loopback and not w.startswith('0.') and n.num_addresses > 1: return n
def home(a): return a.startswith('127.') or a == '::1'
def drive(S, R, far, ports, D, hn, dst, loc):
    n = lan_net(S); lan = LAN if not n else str(n[9] if n.num_addresses > 16 else n[1])
    R['lan'] = 'a client in mynetworks' if lan != LAN else 'a neighbour'
    lim = [int(v) for sv, k, v in S.values() if re.match(r'smtpd_client_(connection_count|connection_rate|message_rate)_limit$', k) and v.isdigit() and int(v)]
    W = 1 if lim and min(lim) <= 30 else 3        # a site that counts connections gets them one after another, from many clients
    cnt = [0]
    def client(a):
        if W == 1 and a == FAR: cnt[0] += 1; return '203.0.113.%d' % (200 + cnt[0] % 50)
        if W == 1 and a == LAN: cnt[0] += 1; return '192.0.2.%d' % (113 + cnt[0] % 14)
        return a
    first = ports[0] if ports else None
    ldom = D.get('local') or hn
    places = {}
    if first:
        o = dst(first) if not home(dst(first)) else ME
        places = {'local': (talk.talk, loc(first), loc(first)), 'lan': (far.talk, lan, o), 'stranger': (far.talk, FAR, o)}
    sets = {'known': ('a@client.example', 'postmaster@' + hn), 'unknown': ('a@client.example', 'no-such-user-x@' + ldom), 'relay': ('a@client.example', 'x@elsewhere.example'),
            'null': ('', 'postmaster@' + hn), 'localuser': ('a@client.example', 'alice@' + ldom), 'fakesender': ('a@nx.invalid', 'postmaster@' + hn), 'short': ('a@client.example', 'postmaster'),
            'badsender': ('a@bad.example', 'alice@' + ldom)}
    R['probes'] = {}; R['ehlo'] = {}
    def place(n):
        f, src, d = places[n]; helo = {'stranger': 'mx.outside.example'}.get(n, 'client.example')
        if first[2]: k = dict(tls=True)
        else: k = {}
        r = f(src, d, first[0], ['EHLO ' + helo, 'QUIT'], **k)
        R['ehlo'][n] = [code(r[0]), keywords(r[1]) if len(r) > 1 else []]
        out = R['probes'][n] = {}; todo = list(sets)
        def work():
            while todo:
                try: q = todo.pop(0)
                except IndexError: return
                a, b = sets[q]
                x = f(client(src), d, first[0], ['EHLO ' + helo, 'MAIL FROM:<%s>' % a, 'RCPT TO:<%s>' % b, 'QUIT'], **k)
                out[q] = [code(y) for y in x[2:4]] or [code(x[-1])]
        t = [threading.Thread(target=work) for _ in range(W)]
        [x.start() for x in t]; [x.join(60) for x in t]
    t = [threading.Thread(target=place, args=(n,)) for n in places]
    [x.start() for x in t]
    # AUTH on every port
    R['auth'] = {}; chosen = []
    logins = ['alice@' + (D.get('virtual') or D.get('local') or 'site.example'), 'alice']
    def ask(p):
        d = dst(p); f, src = (talk.talk, d) if home(d) else (far.talk, FAR)
        x = R['auth'][str(p[0])] = dict(greeting='', plain=[], tls=[], starttls='', login=[])
        k = dict(tls=True) if p[2] else {}
        r = f(client(src), d, p[0], ['EHLO mx.outside.example', 'QUIT'], **k); x['greeting'] = code(r[0])
        if len(r) < 2 or not r[1][0].startswith('250'): return
        x['plain'] = keywords(r[1]); pre = ['EHLO mx.outside.example']
        kw = x['plain']
        if 'STARTTLS' in kw:
            r = f(client(src), d, p[0], pre + [['STARTTLS'], 'EHLO mx.outside.example', 'QUIT']); x['starttls'] = code(r[2]) if len(r) > 2 else '!'
            if len(r) > 3 and r[3][0].startswith('250'): x['tls'] = kw = keywords(r[3]); pre += [['STARTTLS'], 'EHLO mx.outside.example']
        if any(w.startswith('AUTH') for w in kw):
            for l in logins:
                r = f(client(src), d, p[0], pre + [['AUTH', l, 'secret'], 'QUIT'], **k); c = code(r[len(pre) + 1]) if len(r) > len(pre) + 1 else code(r[-1]); x['login'].append(['with domain' if '@' in l else 'plain', c])
                if c.startswith('235') and not [y for y in chosen if y[0] is p]: chosen.append((p, pre, k, l, f, src, d))
            r = f(client(src), d, p[0], pre + [['AUTH', logins[0], 'wrong'], 'QUIT'], **k); x['login'].append(['wrong', code(r[len(pre) + 1]) if len(r) > len(pre) + 1 else code(r[-1])])
    au = [threading.Thread(target=ask, args=(p,)) for p in ports if not (p[0] > 10000 and p[1] in LOOP)]
    if W == 1: [x.join(90) for x in t]
    for x in au:
        x.start()
        if W == 1: x.join(70)
    [x.join(70) for x in t + au]
    # messages
    R['messages'] = {}
    def send(name, f, src, d, port, pre, frm, to, k, extra=''):
        r = f(client(src), d, port, pre + ['MAIL FROM:<%s>' % frm] + ['RCPT TO:<%s>' % x for x in to] + [['DATA', (extra + MSG) % (frm, to[0], 'TOKEN-' + name)], 'QUIT'], **k)
        if not k and len(pre) == 1 and any(x[-1].startswith('530') for x in r):      # TLS first
            pre = pre + [['STARTTLS'], pre[0]]
            r = f(client(src), d, port, pre + ['MAIL FROM:<%s>' % frm] + ['RCPT TO:<%s>' % x for x in to] + [['DATA', (extra + MSG) % (frm, to[0], 'TOKEN-' + name)], 'QUIT'], **k)
        n = len(pre) + 1; R['messages'][name] = dict(replies=[code(x) for x in r[n:n + 2 + len(to)]] or [code(r[-1])])
    th = []
    def later(*a): th.append(threading.Thread(target=send, args=a)); th[-1].start(); W == 1 and th[-1].join(60)
    user = {'local': 'alice', 'virtual': 'bob', 'alias': 'joe', 'relay': 'carol'}
    if first:
        k = dict(tls=True) if first[2] else {}; d = dst(first); far_f, src = (talk.talk, loc(first)) if home(d) else (far.talk, FAR)
        for c, dom in D.items(): later('in-' + c, far_f, src, d, first[0], ['EHLO mx.outside.example'], 'friend@outside.example', ['%s@%s' % (user[c], dom)], k)
        if S.has_lists(): later('in-list', far_f, src, d, first[0], ['EHLO mx.outside.example'], 'friend@outside.example', [S.list_address()], k)
        c, dom = next(iter(D.items())) if D else ('local', hn)
        later('in-reject', far_f, src, d, first[0], ['EHLO mx.outside.example'], 'friend@outside.example', ['%s@%s' % (user[c], dom)], k, 'X-Test-Reject: 1\n')
        later('in-ext', far_f, src, d, first[0], ['EHLO mx.outside.example'], 'friend@outside.example', ['%s+ext@%s' % (user[c], dom)], k)
    order = {587: 0, 465: 1}
    chosen.sort(key=lambda y: (order.get(y[0][0], 2), y[0][0]))
    to = ['partner@outside2.example'] + (['x@transp.example'] if any('transport_maps' in u and t in plan.INDEXED + ('texthash',) for (t, p), u in S.tables().items()) else [])
    if chosen:
        p, pre, k, l, f, src, d = chosen[0]; R['submitted'] = 'port %d' % p[0]
        later('out', f, src, d, p[0], pre + [['AUTH', l, 'secret']], l if '@' in l else l + '@' + ldom, to, k)
    elif first:
        R['submitted'] = 'from loopback'
        later('out', talk.talk, loc(first), loc(first), first[0], ['EHLO localhost'], 'alice@' + ldom, to, dict(tls=True) if first[2] else {})
    sm = ['/usr/sbin/sendmail'] if R['server'] == 'postfix' else ['/opt/posta/bin/sendmail', '-C', '/etc/postfix']
    u = pwd.getpwnam('alice')
    for name, rcpt in (('cmd', 'partner@outside2.example'), ('cmd-local', 'bob')):
        m = 'To: %s\nSubject: TOKEN-%s\nX-Test-Ignore: 1\n\nText.\n' % (rcpt, name)
        try:
            p = subprocess.run(sm + ['-oi', rcpt], input=m.encode(), capture_output=True, timeout=20, env={'PATH': '/usr/bin:/bin', 'MAIL_CONFIG': '/etc/postfix', 'USER': 'alice', 'LOGNAME': 'alice', 'HOME': '/home/alice'},
                               user=u.pw_uid, group=u.pw_gid, extra_groups=[], cwd='/')
            R['messages'][name] = dict(replies=['exit %d' % p.returncode])
            if p.returncode: notes.append('sendmail: ' + p.stderr.decode('utf-8', 'replace')[-200:])
        except subprocess.TimeoutExpired: R['messages'][name] = dict(replies=['timeout'])
        except OSError as e: R['messages'][name] = dict(replies=['!' + str(e)])
    [x.join(60) for x in th]

# ---- where it ended ----
def hdr(data):
    data = data.replace('\r\n', '\n'); head = data.split('\n\n', 1)[0]; head = re.sub(r'\n[ \t]+', ' ', head); h = []
    for l in head.split('\n'):
        m = re.match(r'([!-9;-~]+):[ \t]*(.*)$', l)
        if m: h.append((m.group(1), m.group(2).strip()))
    body = data.split('\n\n', 1)[1] if '\n\n' in data else ''
    return h, body
def describe(data):
    h, body = hdr(data); d = {}
    tok = re.search(r'TOKEN-[\w-]+', dict((k.lower(), v) for k, v in h).get('subject', '')); bounce = False
    if not tok:
        tok = re.search(r'TOKEN-[\w-]+', data); bounce = bool(tok)
    low = [(k.lower(), v) for k, v in h]
    for k in ('X-Stub-Milter', 'X-Stub-Filter', 'X-Table'):
        v = [b for a, b in low if a == k.lower()]
        if v: d[k] = v
    d['ignored'] = not any(a == 'x-test-ignore' for a, b in low) and not bounce
    d['body-ignored'] = 'TEST-BODY-IGNORE' not in body and not bounce
    soft = {}
    for k in ('Return-Path', 'X-Original-To', 'Delivered-To', 'From', 'To', 'Reply-To', 'Sender'):
        v = [re.sub(r'\s+', ' ', re.sub(r'"', '', b)) for a, b in low if a == k.lower()]
        if v: soft[k] = v
    soft['names'] = sorted({a for a, b in low if a not in ('received',)})
    soft['auth-noted'] = any(a == 'received' and 'Authenticated sender' in b for a, b in low)
    soft['tls-noted'] = any(a == 'received' and ('using TLS' in b or 'TLSv1' in b) for a, b in low)
    return tok.group(0)[6:] if tok else None, bounce, d, soft
def norm(a):
    a = re.sub(r'\b[0-9A-F]{9,14}\b', 'ID', a); return re.sub(r'\b\d{3,6}\b', 'N', a)

def collect(S, R, rev):
    E = collections.defaultdict(list)     # token -> [(end, hard, soft)]
    q = '/usr/sbin/postqueue' if R['server'] == 'postfix' else '/opt/posta/bin/postqueue'
    qd = S.x('queue_directory')
    def uname(u):
        try: return pwd.getpwuid(u).pw_name
        except KeyError: return str(u)
    def ends():
        E.clear()
        for fn in ('stubs.jsonl', 'prog.jsonl'):
            try: L = open('/opt/stub/log/' + fn).read().split('\n')
            except OSError: continue
            for l in L:
                if not l: continue
                try: d = json.loads(l)
                except ValueError: continue
                if d['kind'] in ('smtp', 'filter', 'lmtp', 'pipe'):
                    tok, bounce, hard, soft = describe(d['data'])
                    if d['kind'] == 'pipe':
                        end = 'pipe %s as %s: %s' % (d['prog'], d['user'], norm(' '.join(d['args'])))
                        soft['env'] = {k: v for k, v in sorted(d['env'].items())}; soft['group'] = d['group']; soft['crlf'] = d['crlf']; soft['from-line'] = d['data'].startswith('From ')
                        hard['body'] = d['body'] if not bounce else ''
                    else:
                        end = '%s %s to %s' % ({'smtp': 'next hop', 'lmtp': 'lmtp', 'filter': 'filter'}[d['kind']], d['at'], ','.join(d['to']))
                        hard.update(tls=d['tls'], login=d['login']); soft.update({'from': d['frm'], 'xforward': d['xforward'], 'params': d['params'], 'hello': d['hello']})
                    if bounce: end += ' (report)'; hard = {}; soft = {}
                    E[tok].append([end, hard, soft])
        up = '/opt/stub/upper'
        for top, dirs, fs in os.walk(up):
            rel = top[len(up):] or '/'
            if rel == '/': dirs[:] = [x for x in dirs if x not in ('opt', 'dev', 'proc', 'sys', 'tmp')]
            if rel == '/var/spool': dirs[:] = [x for x in dirs if x not in ('postfix', 'posta')]
            if rel in ('/var/lib/posta', '/var/lib/postfix', '/var/log', '/etc') or rel == qd: dirs[:] = []; continue
            for n in fs:
                p = top + '/' + n
                try:
                    st = os.lstat(p)
                    if not st.st_size or st.st_size > 4 << 20 or (st.st_mode & 0o170000) != 0o100000: continue
                    data = open(p, 'rb').read()
                except OSError: continue
                if b'TOKEN-' not in data or b'\0' in data[:4096]: continue
                data = data.decode('latin1'); base = os.path.basename(top)
                if base in ('new', 'cur', 'tmp'): form, where, parts = 'maildir', os.path.dirname(rel), [data]
                elif data.startswith('From '): form, where, parts = 'mbox', rel + '/' + n, re.split(r'\n\n(?=From )', data)
                else: continue
                for x in parts:
                    x = re.sub(r'^From .*\n', '', x)
                    tok, bounce, hard, soft = describe(x)
                    if tok is None: continue
                    if bounce: hard = {}; soft = {}
                    soft['mode'] = oct(st.st_mode & 0o777)
                    E[tok].append(['%s %s of %s%s' % (form, where, uname(st.st_uid), ' (report)' if bounce else ''), hard, soft])
    def queue():
        rc, out = sh(q, *([] if R['server'] == 'postfix' else ['-c', '/etc/postfix']), '-p', timeout=10)
        act = bool(re.search(r'^[0-9A-Za-z]{6,}\*', out, flags=re.M))
        rc_ = []
        for l in out.split('\n'):
            m = re.match(r'\s{2,}(\S+@\S+|\w[\w+-]*)$', l)
            if m: rc_.append(m.group(1))
        return act, sorted(rc_)
    last = None; end = time.time() + 22; same = 0
    while time.time() < end:
        ends(); act, qq = queue(); now = (act, qq, sorted((str(t), sorted(x[0] for x in v)) for t, v in E.items()))
        pend = [t for t, m in R['messages'].items() if (m['replies'][-1][:1] == '2' or m['replies'] == ['exit 0']) and t not in E]
        same = same + 1 if now == last else 0
        if not act and same >= (2 if not pend or qq else 6): break
        if act and same >= 16: break
        last = now; time.sleep(0.4)
    R['queue'] = ['%s%s' % (x, '') for x in qq]
    for t, v in E.items():
        if t in R['messages'] or t is not None: R['messages'].setdefault(t, dict(replies=[]))['ends'] = sorted(v, key=lambda x: json.dumps(x, sort_keys=True))
    for m in R['messages'].values(): m.setdefault('ends', [])
    # who was asked
    mil = {}; pol = {}; au = {}; mp = {}
    for fn in ('stubs.jsonl', 'prog.jsonl'):
        try: L = open('/opt/stub/log/' + fn).read().split('\n')
        except OSError: continue
        for l in L:
            if not l: continue
            try: d = json.loads(l)
            except ValueError: continue
            if d['kind'] == 'milter':
                m = mil.setdefault(d['at'], dict(v=0, stages=set(), macros={}, msgs=set()))
                m['v'] = max(m['v'], d['v']); m['stages'].update(d['stages'])
                for k, v in d['macros'].items(): m['macros'].setdefault(k, set()).update(v)
                if d['token']: m['msgs'].add(d['token'][6:])
            elif d['kind'] == 'policy':
                m = pol.setdefault(d['at'], dict(attrs=set(), asked=set(), user=d.get('user', '')))
                c = re.sub(r'^203\.0\.113\.2[0-4]\d$', FAR, re.sub(r'^192\.0\.2\.1(1[2-9]|2[0-7])$', LAN, d['client'] or '-'))
                m['attrs'].update(d['attrs']); m['asked'].add('%s %s %s %s' % (d['state'], c, d['rcpt'] or '-', d['sasl'] or '-'))
            elif d['kind'] == 'auth':
                m = au.setdefault(d['at'], dict(logins=set(), par=set())); m['logins'].add('%s %s' % (d['login'], 'ok' if d['ok'] else 'no')); m['par'].update(d['par'])
            elif d['kind'] == 'map': mp.setdefault(d['at'], set()).add(d['name'])
            elif d['kind'] == 'fault': notes.append('stub %s: %s' % (d['at'], d['why']))
    def lists(x): return {k: lists(v) for k, v in x.items()} if isinstance(x, dict) else sorted(x) if isinstance(x, set) else x
    R['asked'] = lists(dict(milter=mil, policy=pol, auth=au, map=mp))
main()

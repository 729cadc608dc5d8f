# Tule's bootstrap for Python 2.7 and 3.6 to 3.14: the conversation on descriptor 3,
# whose frames frame.go describes. Tule keeps it compiled, and starts it with
# neither site nor environment. Whatever costs time at start (json, logging,
# traceback, os) is imported by whoever needs it first.
import posix
import sys
import time

PY2 = sys.version_info[0] == 2

if PY2:
    from struct import pack as _pack, unpack_from as _unpack_from
    from thread import allocate_lock
else:
    from _thread import allocate_lock
    from io import RawIOBase, TextIOBase

FD = 3
HEADER = 5
PROTOCOL = 1
CHUNK = 65536

READY, FAULT, LOG, RESULT, ERROR = b'r', b'x', b'l', b's', b'e'
UNHANDLED = b'U'
OUTCOMES = (RESULT, ERROR)
NEXT = b'\0\0\0\0n'  # a frame: an outcome is told, and the next event may come

OWN_FILE = sys._getframe().f_code.co_filename  # a whole path where it runs as a script


def u32(b, at):
    if PY2:
        return _unpack_from('>I', b, at)[0]
    return int.from_bytes(b[at:at + 4], 'big')


def put32(n):
    return _pack('>I', n) if PY2 else n.to_bytes(4, 'big')


def read_some(n):
    while True:
        try:
            return posix.read(FD, n)
        except OSError as e:
            if e.errno != 4:  # EINTR, which Python 2 reports
                return b''


_rest = b''


def receive():
    """The next frame's body; None at the end of the conversation."""
    global _rest
    b = _rest or read_some(CHUNK)
    while len(b) < HEADER:
        more = read_some(CHUNK)
        if not more:
            return None
        b += more
    want = HEADER + u32(b, 0)
    if len(b) < want:
        parts, have = [b], len(b)
        while have < want:
            more = read_some(max(CHUNK, min(want - have, 1 << 20)))
            if not more:
                return None
            parts.append(more)
            have += len(more)
        b = b''.join(parts)
    _rest = b[want:]
    return b[HEADER:want]


_lock = allocate_lock()


def send(kind, body):
    b = put32(len(body)) + kind + body
    if kind in OUTCOMES:
        b += NEXT
    with _lock:
        while True:
            try:
                n = posix.write(FD, b)
            except OSError as e:
                if e.errno == 4:
                    continue
                posix._exit(1)  # nobody listens any more
            if n == len(b):
                return
            b = b[n:]


def to_bytes(text):
    if isinstance(text, bytes):
        return text
    return text.encode('utf-8', 'replace' if PY2 else 'backslashreplace')


def log(text):
    send(LOG, to_bytes(text))


# Output: print and its like. Every line is a log event.

class Lines(object):
    """Cuts what is written into lines; flush sends the last one as it is."""

    def __init__(self):
        self.held = b''

    def write(self, data):
        if self.held:
            data = self.held + data
        lines = data.split(b'\n')
        self.held = lines.pop()
        for line in lines:
            send(LOG, line)

    def flush(self):
        if self.held:
            held, self.held = self.held, b''
            send(LOG, held)


if PY2:
    class Output(object):
        encoding = 'UTF-8'
        errors = None
        mode = 'w'
        closed = False
        softspace = 0

        def __init__(self, lines, fd, name):
            self.lines, self.fd, self.name = lines, fd, name

        def write(self, text):
            self.lines.write(text.encode('utf-8') if isinstance(text, unicode) else text)  # noqa: F821

        def writelines(self, lines):
            for line in lines:
                self.write(line)

        def flush(self):
            pass

        def isatty(self):
            return False

        def fileno(self):
            return self.fd
else:
    class RawOutput(RawIOBase):
        def __init__(self, lines, fd):
            self.lines, self.fd = lines, fd

        def write(self, data):
            data = bytes(data)
            self.lines.write(data)
            return len(data)

        def writable(self):
            return True

        def fileno(self):
            return self.fd

    class Output(TextIOBase):
        encoding = 'utf-8'
        errors = 'backslashreplace'
        mode = 'w'
        line_buffering = True

        def __init__(self, lines, fd, name):
            self.buffer, self.lines, self.name = RawOutput(lines, fd), lines, name

        def write(self, text):
            if not isinstance(text, str):
                raise TypeError('write() argument must be str, not ' + type(text).__name__)
            self.lines.write(text.encode('utf-8', 'backslashreplace'))
            return len(text)

        def writable(self):
            return True

        def fileno(self):
            return self.buffer.fd

        def reconfigure(self, **options):
            pass


out, err = Lines(), Lines()


# JSON, by the C functions below json where they are as expected: importing json
# costs as much as starting Python does.

class ScannerOptions(object):
    strict = True
    object_hook = object_pairs_hook = array_hook = None
    parse_float, parse_int = float, int
    parse_constant = {'-Infinity': float('-inf'), 'Infinity': float('inf'), 'NaN': float('nan')}.__getitem__
    memo = {}


def make_loads():
    def slow(text):
        import json
        return json.loads(text)

    if PY2:
        return slow
    try:
        from _json import make_scanner
        scan = make_scanner(ScannerOptions())
        if scan('{"a": [1, 2.5, "x", null, true]}', 0) != ({'a': [1, 2.5, 'x', None, True]}, 32):
            return slow
    except Exception:
        return slow

    def fast(text):
        try:
            value, end = scan(text, 0)
            if end == len(text):
                return value
        except Exception:
            pass
        return slow(text)  # white space around it, or the proper exception
    return fast


class Decimals(object):
    """Lets decimal.Decimal through as a number with all its digits, as AWS does."""

    def __init__(self):
        self.texts = []

    def default(self, value):
        decimal = sys.modules.get('decimal')
        if decimal is not None and isinstance(value, decimal.Decimal):
            if value.is_nan():
                return float('nan')
            self.texts.append(str(value))
            return '\x00tule.decimal.%d\x00' % (len(self.texts) - 1)
        raise TypeError('Object of type %s is not JSON serializable' % type(value).__name__)

    def restore(self, text):
        for i, number in enumerate(self.texts):
            text = text.replace('"\\u0000tule.decimal.%d\\u0000"' % i, number, 1)
        return text


def make_dumps(ascii_only):
    def slow(value):
        import json
        d = Decimals()
        return d.restore(json.dumps(value, default=d.default, ensure_ascii=ascii_only))

    if PY2:
        def old(value):
            import json
            return json.dumps(value)
        return old
    try:
        import _json
        quote = _json.encode_basestring_ascii if ascii_only else _json.encode_basestring
        make = _json.make_encoder

        def fast(value):
            d = Decimals()
            text = ''.join(make({}, d.default, quote, None, ': ', ', ', False, False, True)(value, 0))
            return d.restore(text) if d.texts else text

        if fast({'a': [1, 2.5, 'x', None, True]}) != '{"a": [1, 2.5, "x", null, true]}':
            return slow
    except Exception:
        return slow
    return fast


loads = make_loads()
dumps = None  # main makes it, when it knows how


# The context.

class Record(object):
    __slots__ = ()

    def __init__(self, fields):
        for name in self.__slots__:
            setattr(self, name, fields.get(name))

    def __repr__(self):
        return '%s([%s])' % (type(self).__name__, ','.join('%s=%s' % (n, getattr(self, n)) for n in self.__slots__))


class Client(Record):
    __slots__ = ('installation_id', 'app_title', 'app_version_name', 'app_version_code', 'app_package_name')


class ClientContext(Record):
    __slots__ = ('custom', 'env', 'client')


class CognitoIdentity(Record):
    __slots__ = ('cognito_identity_id', 'cognito_identity_pool_id')


def client_context(text):
    if not text:
        return None
    fields = loads(text)
    context = ClientContext({'custom': fields.get('custom'), 'env': fields.get('env')})
    context.client = Client(fields['client']) if isinstance(fields.get('client'), dict) else None
    return context


def identity(text):
    fields = loads(text) if text else {}
    return CognitoIdentity({
        'cognito_identity_id': fields.get('cognitoIdentityId'),
        'cognito_identity_pool_id': fields.get('cognitoIdentityPoolId'),
    })


class LambdaContext(object):
    def __init__(self, config, request_id, arn, client, cognito, deadline):
        self.aws_request_id = request_id
        self.log_group_name = config['logGroup']
        self.log_stream_name = config['logStream']
        self.function_name = config['functionName']
        self.memory_limit_in_mb = config['memory']
        self.function_version = config['functionVersion']
        self.invoked_function_arn = arn
        self.client_context = client_context(client)
        self.identity = identity(cognito)
        self._epoch_deadline_time_in_ms = deadline

    def get_remaining_time_in_millis(self):
        return max(self._epoch_deadline_time_in_ms - int(time.time() * 1000), 0)

    def log(self, message):
        out.write(to_bytes(message if isinstance(message, str) else str(message)))

    def __repr__(self):
        return 'LambdaContext([aws_request_id=%s,log_group_name=%s,log_stream_name=%s,function_name=%s,' \
            'memory_limit_in_mb=%s,function_version=%s,invoked_function_arn=%s,client_context=%s,identity=%s])' % (
                self.aws_request_id, self.log_group_name, self.log_stream_name, self.function_name,
                self.memory_limit_in_mb, self.function_version, self.invoked_function_arn,
                self.client_context, self.identity)


# Logging: when the user imports it, the root logger gets AWS's handler.

request_id = ''


def json_logs():
    return posix.environ.get('AWS_LAMBDA_LOG_FORMAT' if PY2 else b'AWS_LAMBDA_LOG_FORMAT') in ('JSON', b'JSON')


def timestamp(seconds):
    return time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds)) + '.%03dZ' % (seconds % 1 * 1000)


def structured(logging, formatter, record):
    event = {
        'timestamp': timestamp(record.created),
        'level': record.levelname,
        'message': record.getMessage(),
        'logger': record.name,
        'requestId': request_id,
    }
    if record.exc_info and record.exc_info[0]:
        event['errorType'] = record.exc_info[0].__name__
        event['errorMessage'] = str(record.exc_info[1])
        event['stackTrace'] = formatter.formatException(record.exc_info).split('\n')
    return dumps(event)


def set_up_logging(logging):
    class LambdaLoggerHandler(logging.Handler):
        def emit(self, record):
            if json_logs():
                log(structured(logging, self.formatter, record))
                return
            record.aws_request_id = request_id
            log(self.format(record))

    formatter = logging.Formatter(
        '[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s', '%Y-%m-%dT%H:%M:%S')
    formatter.converter = time.gmtime
    handler = LambdaLoggerHandler()
    handler.setFormatter(formatter)
    logging.root.addHandler(handler)
    if json_logs():
        level = posix.environ.get('AWS_LAMBDA_LOG_LEVEL' if PY2 else b'AWS_LAMBDA_LOG_LEVEL')
        level = level if PY2 or level is None else level.decode()
        if level in ('TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'):
            logging.root.setLevel(logging.NOTSET if level == 'TRACE' else level)


class LoggingHook(object):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name != 'logging':
            return None
        sys.meta_path.remove(cls)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                break
        else:
            return None
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            set_up_logging(module)
        spec.loader.exec_module = exec_module
        return spec


# Errors.

NBSP = b'\xc2\xa0'.decode('utf-8')


class Fault(Exception):
    def __init__(self, kind, message, trace=(), short=None):
        Exception.__init__(self, message)
        self.kind, self.message, self.trace, self.short = kind, message, list(trace), short or message


def frames(tb):
    """The traceback as (file, line, function, text), from the user's code on."""
    import traceback
    tuples = [tuple(f)[:4] for f in traceback.extract_tb(tb)]
    return [f for f in tuples if f[0] != OWN_FILE and not f[0].startswith('<frozen importlib')]


def describe(config, etype, value, tb):
    """The error as the caller gets it, and as the log has it."""
    import traceback
    name, message, stack = etype.__name__, text_of(value), frames(tb)
    if config['tuples']:
        result = [('errorMessage', message), ('errorType', name), ('stackTrace', [list(f) for f in stack])]
        lines = ['%s: %s' % (message, name), 'Traceback (most recent call last):']
        lines += ''.join(traceback.format_list(stack)).rstrip('\n').split('\n') if stack else []
        lines += ''.join(traceback.format_exception_only(etype, value)).rstrip('\n').split('\n')
        return ordered(result), '\n'.join(lines)
    return describe_text(name, message, traceback.format_list(stack))


def describe_text(name, message, stack):
    result = [('errorMessage', message), ('errorType', name), ('requestId', request_id), ('stackTrace', list(stack))]
    if json_logs():
        return ordered(result), dumps(ordered([('timestamp', timestamp(time.time())), ('level', 'ERROR')] + result))
    lines = ['[ERROR] %s: %s' % (name, message) if message else '[ERROR] ' + name, 'Traceback (most recent call last):']
    for element in stack:
        for line in element.splitlines():
            bare = line.lstrip(' ')
            lines.append(NBSP * (len(line) - len(bare)) + bare)
    return ordered(result), '\n'.join(lines)


def describe_fault(config, fault):
    if config['tuples']:
        return ordered([('errorMessage', fault.short)]), fault.message
    return describe_text(fault.kind, fault.message, fault.trace)


def text_of(value):
    try:
        return str(value)
    except Exception:
        try:
            return to_bytes(unicode(value))  # noqa: F821
        except Exception:
            return '<unprintable %s object>' % type(value).__name__


def ordered(pairs):
    if PY2:
        from collections import OrderedDict
        return OrderedDict(pairs)
    return dict(pairs)


def error_json(result):
    try:
        return to_bytes(dumps(result))
    except Exception:  # bytes that are no text, in Python 2
        return to_bytes(dumps(ordered([(k, repr(v)) for k, v in result.items()])))


# Loading and calling the handler.

def load(name):
    if '.' not in name:
        raise Fault('Runtime.MalformedHandlerName',
                    "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % name,
                    short="Bad handler '%s'" % name)
    path, function = name.rsplit('.', 1)
    dotted = path.replace('/', '.').lstrip('.')
    if dotted.split('.')[0] in sys.builtin_module_names:
        raise Fault('Runtime.BuiltInModuleConflict', 'Cannot use built-in module %s as a handler module' % path)
    try:
        __import__(dotted)
    except ImportError as e:
        raise Fault('Runtime.ImportModuleError', "Unable to import module '%s': %s" % (path, text_of(e)),
                    short="Unable to import module '%s'" % path)
    except SyntaxError as e:
        where = '  File "%s" Line %s\n    %s' % (e.filename, e.lineno, (e.text or '').strip())
        raise Fault('Runtime.UserCodeSyntaxError', "Syntax error in module '%s': %s" % (path, text_of(e)), [where],
                    short="Syntax error in module '%s'" % path)
    try:
        return getattr(sys.modules[dotted], function)
    except AttributeError:
        raise Fault('Runtime.HandlerNotFound', "Handler '%s' missing on module '%s'" % (function, path))


def settle_output():
    out.flush()
    err.flush()


def set_trace(trace):
    if 'os' in sys.modules:
        environ = sys.modules['os'].environ
        if trace:
            environ['_X_AMZN_TRACE_ID'] = trace
        else:
            environ.pop('_X_AMZN_TRACE_ID', None)
    elif trace:
        key, value = ('_X_AMZN_TRACE_ID', trace) if PY2 else (b'_X_AMZN_TRACE_ID', trace.encode())
        posix.environ[key] = value
        posix.putenv(key, value)


def invoke(config, handler, body):
    """Answers one invoke frame."""
    global request_id
    deadline = u32(body, 0) * 4294967296 + u32(body, 4)
    at, fields = 8, []
    for _ in range(5):
        n = u32(body, at)
        at += 4 + n
        field = body[at - n:at]
        fields.append(field if PY2 else field.decode('utf-8'))
    request_id, arn, trace, client, cognito = fields
    if trace or had_trace[0]:
        had_trace[0] = bool(trace)
        set_trace(trace)
    try:
        try:
            event = loads(body[at:] if PY2 else body[at:].decode('utf-8'))
        except Exception as e:
            raise Fault('Runtime.UnmarshalError', 'Unable to unmarshal input: %s' % text_of(e))
        result = handler(event, LambdaContext(config, request_id, arn, client, cognito, deadline))
        try:
            answer = to_bytes(dumps(result))
        except Exception as e:
            if not config['tuples']:
                raise Fault('Runtime.MarshalError', 'Unable to marshal response: %s' % text_of(e))
            told, text = describe(config, *sys.exc_info())
            report(ERROR, UNHANDLED, (told, 'An error occurred during JSON serialization of response: ' + text))
            return
    except Fault as fault:
        report(ERROR, UNHANDLED, describe_fault(config, fault))
    except Exception:
        report(ERROR, UNHANDLED, describe(config, *sys.exc_info()))
    except BaseException:
        settle_output()
        raise  # the process ends: sys.exit
    else:
        settle_output()
        send(RESULT, answer)


had_trace = [False]


def report(kind, lead, described):
    result, text = described
    settle_output()
    log(text)
    send(kind, lead + error_json(result))


def search_path(task, modules, runtime):
    version = 'python%d.%d' % sys.version_info[:2]
    configured = posix.environ.get('PYTHONPATH' if PY2 else b'PYTHONPATH') or b''
    configured = configured if PY2 else configured.decode('utf-8', 'surrogateescape')
    front = [task] + [p for p in configured.split(':') if p and p != runtime]
    front += ['/opt/python/lib/%s/site-packages' % version, '/opt/python']
    sys.path[:0] = front + [modules, runtime]
    return front


# A process that waits for its function: what it does before it knows, and after.

SDK = ('boto3', 'botocore', 's3transfer', 'jmespath', 'dateutil', 'urllib3', 'six')


def get_ready(what, modules):
    """Imports what the function will need. AWS's bootstrap has imported the library's modules for any;
    here those that do not speak of them do not pay their memory, which is as much as Python's own."""
    import os  # noqa: F401
    if what == 'modern':
        return
    import json, logging, traceback, warnings  # noqa: E401, F401
    if what != 'sdk':
        return
    sys.path.insert(0, modules)
    try:
        import boto3.session  # noqa: F401
    except ImportError:
        pass
    sys.path.remove(modules)


def take_over(config):
    """Gives the process its variables and its folder, as if it had been started with them."""
    import os
    for name in list(os.environ):
        if name != 'LC_CTYPE':  # the interpreter's own, where LANG names a locale that is not there
            del os.environ[name]
    for name in [n for n in posix.environ if n not in ('LC_CTYPE', b'LC_CTYPE')]:
        del posix.environ[name]
    for pair in config['environ']:
        pair = pair.encode('utf-8') if PY2 else os.fsencode(pair)
        name, _, value = pair.partition(b'=')
        posix.environ[name] = value
        if PY2:
            os.environ[name] = value
        else:
            os.environb[name] = value
    posix.chdir(config['taskRoot'])
    time.tzset()


def forget_shadowed(front):
    """Forgets the SDK where the function has another, or a part of one, of its own."""
    import os
    if any(os.path.exists(os.path.join(path, name + end)) for path in front for name in SDK for end in ('', '.py')):
        for name in [n for n in sys.modules if n.split('.')[0] in SDK]:
            del sys.modules[name]


def open_debugger(port):
    """Lets a debugger attach, if the function has one with it."""
    import os
    os.environ.setdefault('PYDEVD_DISABLE_FILE_VALIDATION', '1')
    try:
        import debugpy
        debugpy.listen(('127.0.0.1', port))
    except ImportError:
        log('No debugger can attach: the function has no debugpy. Package it (pip install debugpy -t .) or add a layer with it.')
    except Exception as e:
        log('No debugger can attach: debugpy says %s' % text_of(e))


def leave(code=None):
    raise SystemExit(code)


def main():
    global dumps
    if len(sys.argv) > 1:
        binary, modules = sys.argv[1:3]
    else:  # started by the function's wrapper, as a script
        binary = sys.argv[0]
        modules = binary.rpartition('/')[0] + '/site-packages'
    waits = sys.argv[3] if len(sys.argv) > 3 else None
    if not PY2:
        sys.meta_path.insert(0, LoggingHook)
    if waits:
        get_ready(waits, modules)
    if PY2:
        import fcntl
        fcntl.fcntl(FD, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    else:
        posix.set_inheritable(FD, False)
    body = receive()
    if body is None:
        return
    config = loads(body if PY2 else body.decode('utf-8'))
    if PY2:
        config = {str(k): v.encode('utf-8') if isinstance(v, unicode) else v for k, v in config.items()}  # noqa: F821
    if config['protocol'] != PROTOCOL:
        posix._exit(70)
    dumps = make_dumps(config['ascii'])
    if waits:
        take_over(config)
    runtime = binary.rpartition('/')[0]
    sys.argv[:] = [runtime + '/bootstrap.py']
    sys.stdout, sys.stderr = Output(out, 1, '<stdout>'), Output(err, 2, '<stderr>')
    builtins = sys.modules['__builtin__' if PY2 else 'builtins']
    builtins.exit = builtins.quit = leave  # site's, which is not loaded
    front = search_path(config['taskRoot'], modules, runtime)
    if waits == 'sdk':
        forget_shadowed(front)
    if config.get('debug'):
        open_debugger(config['debug'])
    if PY2 or 'logging' in sys.modules and not waits:
        import logging  # which a wrapper may have had imported
        set_up_logging(logging)
    try:
        handler = load(config['handler'])
    except Fault as fault:
        report(FAULT, b'', describe_fault(config, fault))
        posix._exit(1)
    except Exception:
        report(FAULT, b'', describe(config, *sys.exc_info()))
        posix._exit(1)
    settle_output()
    send(READY, b'\x01' if PY2 else bytes([PROTOCOL]))
    while True:
        body = receive()
        if body is None:
            posix._exit(0)
        invoke(config, handler, body)


main()

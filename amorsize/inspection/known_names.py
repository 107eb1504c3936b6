"""What is known by name: functions and types of libraries that matter to threads and processes."""

from __future__ import annotations

from amorsize.inspection import instructions as _instructions  # noqa: F401 # fills ACTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass

ONE_FOR_ALL_THREADS = {
    "os.chdir": "the working directory", "os.fchdir": "the working directory",
    "os.umask": "the file mode mask", "os.putenv": "the environment", "os.unsetenv": "the environment",
    "os.chroot": "the root directory", "os.setuid": "the user",
    "contextlib.chdir": "the working directory",
    "contextlib.redirect_stdout": "sys.stdout", "contextlib.redirect_stderr": "sys.stderr",
    "warnings.catch_warnings": "the warning filters", "warnings.simplefilter": "the warning filters",
    "warnings.filterwarnings": "the warning filters", "warnings.resetwarnings": "the warning filters",
    "locale.setlocale": "the locale", "random.seed": "the random state",
    "random.setstate": "the random state", "numpy.random.seed": "the random state",
    "numpy.random.set_state": "the random state", "numpy.seterr": "the floating-point error state",
    "socket.setdefaulttimeout": "the socket timeout", "time.tzset": "the time zone",
    "signal.signal": "the signal handlers", "signal.alarm": "the alarm",
    "signal.setitimer": "the alarm", "sys.setrecursionlimit": "the recursion limit",
    "sys.settrace": "the trace function", "sys.setprofile": "the profile function",
    "gc.disable": "the garbage collector", "gc.enable": "the garbage collector",
    "faulthandler.enable": "the fault handler", "mimetypes.init": "the table of types",
    "readline.clear_history": "the input history", "logging.basicConfig": "the logging set-up",
    "logging.disable": "the logging set-up", "os.setgid": "the group",
    "unittest.mock.patch": "what it patches", "unittest.mock._patch_object": "what it patches",
    "unittest.mock._patch_dict": "what it patches", "sys.set_int_max_str_digits": "the limit of digits",
    "sys.setswitchinterval": "the switch interval",
    "decimal.setcontext": "the decimal context",
    "asyncio.set_event_loop_policy": "the policy of event loops",
    "asyncio.events.set_event_loop_policy": "the policy of event loops",
    "numpy.set_printoptions": "the print options", "numpy.seterrcall": "the floating-point error state",
    "csv.register_dialect": "the dialects", "csv.field_size_limit": "the limit of csv",
    "signal.raise_signal": "the signals to come", "os.kill": "the signals to come",
    "copyreg.pickle": "the table of reducers", "abc.ABCMeta.register": "the registered subclasses",
    "logging.Logger.setLevel": "the level of a logger",
    "logging.Handler.setLevel": "the level of a handler",
    "logging.Logger.addHandler": "a logger's handlers",
    "logging.Logger.removeHandler": "a logger's handlers",
    "logging.Filterer.addFilter": "a logger's filters", "calendar.setfirstweekday": "the first weekday",
    "codecs.register_error": "the handlers of errors", "sys.addaudithook": "the hooks of audits",
    "codecs.register": "the codecs", "atexit.register": "the exit functions",
    "mimetypes.add_type": "the table of types", "gc.set_threshold": "the garbage collector",
    "sys.audit": "what the hooks of audits hear", "os.dup2": "the open descriptors",
    "os.closerange": "the open descriptors", "ctypes.memset": "memory", "ctypes.memmove": "memory",
    "os.mkfifo": "the folders",
    "gc.freeze": "the garbage collector", "gc.unfreeze": "the garbage collector",
    "gc.set_debug": "the garbage collector", "os.setsid": "the session", "os.setpgid": "the group",
    "os.seteuid": "the user", "os.setegid": "the group", "os.setgroups": "the group",
    "tracemalloc.start": "the trace of memory", "tracemalloc.stop": "the trace of memory",
    "threading.stack_size": "the size of stacks", "gettext.textdomain": "the domain of texts",
    "gettext.bindtextdomain": "the domain of texts", "resource.prlimit": "the limits of resources",
    "sys.setdlopenflags": "the flags of dlopen", "resource.setrlimit": "the limits of resources",
}  # fmt: skip
"""Called by their names, resolved through imports and aliases."""


OF_THE_CALLING_THREAD = {
    "os.nice": "the priority", "os.setpriority": "the priority",
    "os.sched_setaffinity": "the CPU affinity", "os.sched_setscheduler": "the scheduling",
    "os.sched_setparam": "the scheduling", "signal.pthread_sigmask": "the signal mask",
}  # fmt: skip
"""The same, of what Linux keeps for each thread: a new thread gets it of the one that starts it."""

BELONGS = "belongs to the thread that sets it"


OTHER_NAMES = {
    **{f"posix.{one[3:]}": one for one in (*ONE_FOR_ALL_THREADS, *OF_THE_CALLING_THREAD)
       if one[:3] == "os."},
    "_locale.setlocale": "locale.setlocale", "_signal.signal": "signal.signal",
    "_signal.alarm": "signal.alarm", "_signal.setitimer": "signal.setitimer",
    "_socket.setdefaulttimeout": "socket.setdefaulttimeout", "None.Random.seed": "random.seed",
    "_signal.pthread_sigmask": "signal.pthread_sigmask", "_signal.raise_signal": "signal.raise_signal",
    "_thread.get_ident": "threading.get_ident",
    "random.Random.seed": "random.seed", "_warnings.filterwarnings": "warnings.filterwarnings",
}  # fmt: skip
"""What some of them call themselves."""


UNSAFE_MODULES = {
    "matplotlib.pyplot": "pyplot keeps one current figure for all threads",
    "pylab": "pyplot keeps one current figure for all threads",
    "tkinter": "Tk belongs to one thread",
    "turtle": "Tk belongs to one thread",
    "curses": "curses has one screen",
    "readline": "readline has one line",
}
"""Any use of what they hold."""


PROCESS_WIDE = {"os.environ": "the environment", "sys.path": "sys.path", "sys.modules": "sys.modules",
                "sys.argv": "sys.argv", "warnings.filters": "the warning filters"}  # fmt: skip


CHANGES = frozenset({
    "append", "appendleft", "extend", "extendleft", "insert", "remove", "pop", "popleft", "popitem",
    "clear", "update", "setdefault", "add", "discard", "difference_update", "intersection_update",
    "symmetric_difference_update", "sort", "reverse", "rotate", "subtract", "fill", "itemset", "resize",
    "put", "partition", "move_to_end", "setflags", "setfield", "__setitem__", "__delitem__", "__iadd__",
})  # fmt: skip
"""Methods that change the object they are called on."""


NOT_SHARED_BY_FORK = {
    "_io": "an open file", "_socket": "a socket", "socket": "a socket", "ssl": "a connection",
    "sqlite3": "a database connection", "_thread": "a lock", "threading": "a lock",
    "queue": "a queue", "_queue": "a queue", "multiprocessing": "an object of multiprocessing",
    "tempfile": "an open file", "http.client": "a connection", "urllib3": "a connection",
    "requests.sessions": "a session", "httpx": "a connection", "aiohttp": "a session",
    "psycopg": "a database connection", "psycopg2": "a database connection",
    "pymysql": "a database connection", "MySQLdb": "a database connection",
    "mysql": "a database connection", "oracledb": "a database connection",
    "pyodbc": "a database connection", "duckdb": "a database connection",
    "sqlalchemy.engine": "a database connection", "sqlalchemy.orm.session": "a database session",
    "redis": "a connection", "pymongo": "a connection", "zmq": "a socket", "grpc": "a channel",
    "kafka": "a connection", "paramiko": "a connection", "h5py": "an open file",
    "netCDF4": "an open file", "zipfile": "an open file", "tarfile": "an open file",
    "mmap": "a mapped file", "selectors": "a selector", "subprocess": "a running program",
    "concurrent.futures": "an executor", "asyncio": "an event loop", "cupy": "an array of a GPU",
    "pycuda": "an object of a GPU", "numba.cuda": "an object of a GPU",
}  # fmt: skip
"""What instances of classes of these modules (or below them) are."""


HARMLESS = frozenset({
    "threading.local", "_thread._local", "_io.StringIO", "_io.BytesIO", "threading.Thread",
    "tempfile.TemporaryDirectory", "urllib3.util.url.Url", "zipfile.Path",
    "multiprocessing.context.DefaultContext",
})  # fmt: skip
"""Classes of those modules that a fork copies well, or that nobody uses from two sides."""


CHANGEABLE = (list, dict, set, bytearray)


PLAIN = (int, float, complex, str, bytes, bool, type(None), tuple, frozenset, range, slice)


DRAWS = frozenset({
    "random", "uniform", "randint", "randrange", "choice", "choices", "sample", "shuffle", "gauss",
    "normalvariate", "triangular", "betavariate", "expovariate", "gammavariate", "lognormvariate",
    "vonmisesvariate", "paretovariate", "weibullvariate", "getrandbits", "randbytes",
    "binomialvariate", "rand", "randn", "random_sample", "ranf", "random_integers",
    "bytes", "permutation", "beta", "binomial", "chisquare", "dirichlet", "exponential", "f", "gamma",
    "geometric", "gumbel", "hypergeometric", "laplace", "logistic", "lognormal", "logseries",
    "multinomial", "multivariate_normal", "negative_binomial", "noncentral_chisquare",
    "noncentral_f", "normal", "pareto", "poisson", "power", "rayleigh", "standard_cauchy",
    "standard_exponential", "standard_gamma", "standard_normal", "standard_t", "tomaxint", "vonmises",
    "wald", "weibull", "zipf",
})  # fmt: skip
"""Functions of ``random`` and ``numpy.random`` that take numbers from the global state."""


OF_THE_THREAD = frozenset({
    "threading.current_thread", "threading.get_ident", "threading.get_native_id",
    "threading.main_thread", "_thread.get_ident", "_thread.get_native_id", "asyncio.current_task",
})  # fmt: skip
"""What another thread answers otherwise."""


RESTORED = frozenset({
    "contextlib.chdir", "contextlib.redirect_stdout", "contextlib.redirect_stderr",
    "warnings.catch_warnings", "unittest.mock.patch", "unittest.mock._patch_object",
    "unittest.mock._patch_dict", "unittest.mock._patch",
})  # fmt: skip
"""What puts back what it changed: it matters to other threads only."""


FILTERS = frozenset({"warnings.simplefilter", "warnings.filterwarnings", "warnings.resetwarnings"})
"""What ``warnings.catch_warnings`` puts back."""

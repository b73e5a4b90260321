# SPDX-License-Identifier: BSD-3-Clause
"""Scripts and functions. Scripts are drawn from a list, or put together from calls and conversions."""
import values
from groups import row

SHARE = 14

# What is converted, what is refused, what the libraries say.
EXPRESSIONS = (
    "1", "-1", "3.99", "1e300", "'x'", "''", "true", "false", "nil", "{}", "{1,2,3}", "{1,nil,3}", "{1,{2,{3}},'a'}",
    "{ok='fine'}", "{err='MY error'}", "{err='x'}", "{ok=1}", "{err={}}", "{double=3.5}", "{map={a=1}}",
    "{set={a=true}}", "{big_number='123'}", "{verbatim_string={format='txt',string='hi'}}", "{map={}}", "{set={}}",
    "KEYS", "ARGV", "#KEYS", "KEYS[1]", "KEYS[9]", "function() end", "cjson.null", "0/0", "redis.status_reply('x y')",
    "redis.error_reply('x y')", "redis.error_reply('-x y')", "redis.error_reply('x')", "redis.error_reply()",
    "redis.sha1hex('a')", "redis.sha1hex()", "redis.setresp(4)", "redis.setresp()", "redis.set_repl(9)",
    "redis.replicate_commands()", "redis.breakpoint()", "redis.acl_check_cmd('get','x')", "redis.acl_check_cmd('x')",
    "redis.acl_check_cmd()", "redis.log(1)", "redis.log(10,'x')", "redis.nosuch", "foo", "tostring(1e15)",
    "cjson.encode({1,2,{a=1}})", "cjson.encode({[1]=1,[2000]=1})", "cjson.decode('[1,null,{\"a\":2.5}]')[3].a",
    "cjson.decode('x')", "cjson.decode('{\"a\":[1,2]}').a", "cjson.encode(KEYS)", "cjson.encode({0.1,1e20,'é'})",
    "cmsgpack.pack(1,-1,300,-300,70000,-70000,5000000000,1.5,0.1,'abc',true,nil,{1,2,3},{a=1},{})",
    "cmsgpack.pack()", "{cmsgpack.unpack(cmsgpack.pack(1,-1,300,'abc',{1,2}))}", "cmsgpack.unpack('\\220')",
    "{cmsgpack.unpack_one(cmsgpack.pack(1,2),1)}", "{cmsgpack.unpack_limit(cmsgpack.pack(1,2,3),2,1)}",
    "cmsgpack.unpack('\\193')", "cmsgpack.unpack_one('abc',10)", "cmsgpack.unpack_one('abc',-1)",
    "struct.pack('<i4>i4hHbBlLT',1,2,-3,4,-5,6,-7,8,9)", "struct.pack('!8bd','1',1.5)", "struct.pack('sc3c0','a','def','h')",
    "{struct.unpack('<i4>i4hHbB',struct.pack('<i4>i4hHbB',1,2,-3,4,-5,6))}", "struct.unpack('i4','abc')",
    "{struct.unpack('bc0',struct.pack('bc0',3,'abc'))}", "struct.unpack('c0','abc')", "struct.pack('i33',1)",
    "struct.size('i4!8bd')", "struct.size('s')", "struct.pack('z',1)", "struct.pack('!3i',1)",
    "bit.tohex(bit.bor(1,2,256))", "bit.band(0xff,0x0f)", "string.format('%5.2f',3.14159)", "('x'):rep(3)",
    "{pcall(function() return foo end)}", "select(2,pcall(error,{err='FOO bar'}))", "{unpack({1,2,3})}",
    "loadstring('return 5')()", "loadstring('return +')", "tonumber('0x10')", "table.concat({1,2,3},',')",
    "rawset(string,'x',1)", "setmetatable(_G,{})", "getmetatable('').__index == string", "select('#',1,nil)",
)
STATEMENTS = (
    "x=1", "string.x=1", "redis.call=1", "KEYS=1", "error('boom')", "error({err='MY boom'})", "error()", "error('x',0)",
    "return 1 +", "local f = function() error('deep') end f()", "local t={} for i=1,200 do t={t} end return t",
    "KEYS[3]='x' return KEYS", "local function f() return f() + 1 end return f()", "table.insert(string,1)",
    "redis.setresp(3) return {true,false,nil}", "redis.setresp(3) return false", "redis.setresp(3) return nil",
    "local c=coroutine.wrap(function() coroutine.yield(5) end) return c()", "if", "return return", "\033Lua",
    "local ok,e=pcall(redis.call,'nosuch') return {ok,e}", "local e=redis.pcall('incr') return e.err",
)
CALLS = (
    "'get',KEYS[1]", "'set',KEYS[1],ARGV[1]", "'set',KEYS[1],5", "'set',KEYS[1],3.25", "'incr',KEYS[1]",
    "'append',KEYS[1],ARGV[1]", "'del',KEYS[1]", "'mget',KEYS[1],KEYS[2]", "'mset',KEYS[1],'a',KEYS[2],'b'",
    "'strlen',KEYS[1]", "'type',KEYS[1]", "'exists',KEYS[1],KEYS[2]", "'get','s1'", "'set','s2',ARGV[1]",
    "'getrange',KEYS[1],0,2", "'nosuch'", "'get'", "'multi'", "'subscribe','a'", "'ping'", "'echo','x'", "", "{}",
    "'set',KEYS[1],{}", "'set',KEYS[1],1,'b'", "'select',1", "'select','x'", "'publish','c','m'",
    "'setrange',KEYS[1],1,ARGV[1]", "'persist',KEYS[1]", "'getdel',KEYS[1]", "'object','refcount'",
    "'object','nosuch',KEYS[1]", "'config','get','x'", "'eval','return 1',0", "'script','flush'", "'incrbyfloat',KEYS[1],0.5",
    "'lpush',KEYS[1],ARGV[1]", "'lrange',KEYS[1],0,-1", "'hset',KEYS[1],'f',ARGV[1]", "'hget',KEYS[1],'f'",
    "'zadd',KEYS[1],1.5,ARGV[1]", "'zscore',KEYS[1],ARGV[1]", "'zrange',KEYS[1],0,-1,'withscores'", "'rename',KEYS[1],KEYS[2]",
)
SHEBANGS = ("#!lua", "#!lua flags=no-writes", "#!lua flags=allow-oom,no-writes", "#!lua flags=nosuch", "#!lua name=x",
            "#!js", "#!lua flags=allow-stale,no-cluster,allow-cross-slot-keys")
BODIES = (
    "redis.register_function('fn1', function(keys, args) return {keys, args} end)",
    "redis.register_function{function_name='fn2', callback=function(keys, args) return redis.call('get', keys[1]) end,"
    " flags={'no-writes'}, description='reads'}",
    "redis.register_function('fn3', function(keys, args) return redis.call('set', keys[1], args[1]) end)",
    "redis.register_function{function_name='fn4', callback=function(keys, args) return redis.call('set', keys[1], 'x') end,"
    " flags={'no-writes'}}",
    "local n = 0 redis.register_function('fn5', function() n = n + 1 return n end)",
    "redis.register_function('fn6', function() error('boom') end)", "local x = 1",
    "redis.register_function('g-x', function() end)", "redis.register_function('g', 1)", "redis.register_function()",
    "redis.register_function('a')", "redis.register_function{function_name='g'}", "return 1 +", "x = 1", "return foo",
    "redis.register_function{function_name='g', callback=function() end, flags={'foo'}}",
    "redis.register_function{function_name='g', callback=function() end, nosuch=1}",
)


def script(random):
    kind = random.random()
    if kind < 0.35:
        text = "return " + random.choice(EXPRESSIONS)
    elif kind < 0.45:
        text = random.choice(STATEMENTS)
    elif kind < 0.5:
        text = f"redis.setresp(3) return redis.call({random.choice(CALLS)})"
    elif kind < 0.75:
        text = f"return redis.{random.choice(('call', 'call', 'pcall'))}({random.choice(CALLS)})"
    else:
        calls = [f"r[#r+1]=redis.pcall({random.choice(CALLS)})" for _ in range(random.randrange(1, 5))]
        text = "local r={} " + " ".join(calls) + " return r"
    if random.random() < 0.1:
        text = random.choice(SHEBANGS) + random.choice(("\n", "\n", "")) + text
    return text.encode("utf-8")


def library(random):
    return f"#!lua name=lib{random.randrange(4)}\n{random.choice(BODIES)}".encode()


def sha(random):
    return random.choice((b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db", b"abc", b"f" * 40,
                          b"E0E1F9FABFC9D4800C877A703B823AC0578FF8DB"))


values.PLACEHOLDERS.update(script=script, library=library, script_sha=sha)

ROWS = (
    row(30, "EVAL <script> '2' <key> <key> <value>", mutable=False),
    row(6, "EVAL_RO <script> '2' <key> <key> <value>", mutable=False),
    row(2, "EVAL <script> ( '0' | '-1' | 'x' | '5' | '' ) <key>", mutable=False),
    row(2, "SCRIPT LOAD 'return 1' ; EVALSHA <script_sha> ( '0' | '1' <key> | 'x' )", mutable=False),
    row(1, "SCRIPT LOAD <script>", mutable=False),
    row(1, "SCRIPT LOAD 'return 1' ; EVALSHA_RO <script_sha> ( '0' | '1' <key> | 'x' )", mutable=False),
    row(1, "FUNCTION DUMP", "shape"),
    row(1, "( SCRIPT | FUNCTION ) HELP", "help", mutable=False),
    row(1, "SCRIPT FLUSH [ ( SYNC | ASYNC | x ) ] ; EVALSHA <script_sha> '0'", mutable=False),
    row(1, "SCRIPT EXISTS <script_sha>..."),
    row(1, "SCRIPT ( KILL | NOSUCH )"),
    row(6, "FUNCTION LOAD [ REPLACE ] <library>", mutable=False),
    row(1, "FUNCTION LOAD ( 'x' | '#!lua' | '#!js name=a' ) [ <library> ]", mutable=False),
    row(6, "( FCALL | FCALL | FCALL_RO ) ( 'fn1' | 'fn2' | 'fn3' | 'fn4' | 'fn5' | 'fn6' | 'nosuch' | 'FN1' ) "
           "( '0' | '1' | '1' | '2' | '-1' | 'x' ) <key> <value>", mutable=False),
    row(1, "FUNCTION DELETE ( 'lib0' | 'lib1' | 'nosuch' )"),
    row(1, "FUNCTION FLUSH [ ( SYNC | ASYNC | x ) ]"),
    row(1, "FUNCTION LIST LIBRARYNAME ( 'lib1' | 'nosuch' | 'LIB2' ) [ WITHCODE ]", mutable=False),
    row(1, "FUNCTION LIST ( 'foo' | WITHCODE WITHCODE | LIBRARYNAME )", mutable=False),
    row(1, "FUNCTION STATS"),
    row(1, "FUNCTION ( KILL | NOSUCH )"),
    row(1, "FUNCTION RESTORE 'abc' [ ( FLUSH | APPEND | REPLACE | x ) ]", mutable=False),
)

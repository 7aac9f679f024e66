"""Stand-ins for modules that tests in Perl and Lua load, so that verdicts need nothing but the interpreters.

Only what the tests of mxeval and MultiPL-E call is defined, and compares as the modules do: Perl's Data::Compare and
Test::Deep, Lua's luaunit. That one's run ends in `os.exit`, which says nothing of the tests; here a failure raises.
"""

from __future__ import annotations

_PERL = """BEGIN {
    package MODULE;
    $INC{'FILE'} = __FILE__;
    sub import { no strict 'refs'; *{caller() . '::FUNCTION'} = \\&FUNCTION; }
    sub FUNCTION {
        my ($x, $y) = @_;
        return !defined($x) && !defined($y) unless defined($x) && defined($y);
        return 0 if ref($x) ne ref($y);
        if (ref($x) eq 'ARRAY') {
            return @$x == @$y && !grep { !FUNCTION($x->[$_], $y->[$_]) } 0 .. $#$x;
        }
        if (ref($x) eq 'HASH') {
            return keys %$x == keys %$y && !grep { !exists $y->{$_} || !FUNCTION($x->{$_}, $y->{$_}) } keys %$x;
        }
        return FUNCTION($$x, $$y) if ref($x) eq 'SCALAR' || ref($x) eq 'REF';
        return $x eq $y;
    }
}
"""
_LUAUNIT = """do
    local function same(x, y)
        if type(x) ~= "table" or type(y) ~= "table" then return x == y end
        for key, value in pairs(x) do if not same(value, y[key]) then return false end end
        for key in pairs(y) do if x[key] == nil then return false end end
        return true
    end
    local unit = {LuaUnit = {}}
    function unit.assertEquals(actual, expected)
        if not same(actual, expected) then error("assertion failed: the values differ", 2) end
    end
    function unit.LuaUnit.run()
        local tests = {}
        for name, value in pairs(_G) do
            if type(name) == "string" and name:lower():sub(1, 4) == "test" and type(value) == "function" then
                tests[#tests + 1] = value
            end
        end
        for _, test in ipairs(tests) do test() end
    end
    package.loaded["luaunit"] = unit
end
"""
_RUN = "lu.LuaUnit.run()"
_MODULES = {"Data::Compare": "Compare", "Test::Deep": "eq_deeply"}


def with_stand_ins(language: str, test: str) -> str:
    """A test's text, with the stand-ins before it that it loads."""
    if language == "lua" and "luaunit" in test:
        return _LUAUNIT + test.replace(f"os.exit({_RUN})", _RUN)
    if language == "perl":
        return "".join(_perl(name) for name in _MODULES if f"use {name};" in test) + test
    return test


def _perl(module: str) -> str:
    file = module.replace("::", "/") + ".pm"
    return _PERL.replace("MODULE", module).replace("FILE'", f"{file}'").replace("FUNCTION", _MODULES[module])

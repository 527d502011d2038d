package chaos

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/proxy"
	"msctl.dev/msctl/internal/state"
)

// Compile makes a fault for the edges that it is meant for. It returns an [*Error] where the fault is not
// one, whoever wrote it.
func Compile(f state.Fault) (proxy.Fault, error) {
	k, err := check(f)
	if err != nil {
		return nil, err
	}
	if k.New == nil {
		return nil, wrong("", "put %s on %s: it does not act on edges", k.Name, f.Target)
	}
	if f.Stream == "" {
		f.Stream = k.Stream
	}
	inner, err := k.New(Args{f, k})
	if err != nil {
		if e := new(Error); errors.As(err, &e) {
			return nil, e
		}
		return nil, wrong("", "put %s on %s: %v", k.Name, state.EdgeTitle(f.Target), err)
	}
	toxicity := f.Toxicity
	if toxicity == 0 {
		toxicity = 1
	}
	return &proxy.Placed{Fault: inner, ID: f.ID, Toxicity: toxicity, Seed: f.Seed, Stream: f.Stream, Protocols: k.Protocols}, nil
}

// Check says what is wrong with a fault, as far as that can be seen without a fleet.
func Check(f state.Fault) error {
	k, err := check(f)
	switch {
	case err == nil && k.Act != nil:
		_, err = Upset(f)
	case err == nil:
		_, err = Compile(f)
	}
	return err
}

func check(f state.Fault) (*Kind, error) {
	k := Find(f.Kind)
	if k == nil {
		return nil, wrong(Meant(f.Kind, Names(), kindsHint), "unknown kind of fault %q", f.Kind)
	}
	if err := k.checkParams(f.Params); err != nil {
		return nil, err
	}
	if err := k.checkRest(f); err != nil {
		return nil, err
	}
	return k, checkTarget(f, k)
}

const kindsHint = "`msctl chaos kinds` lists them"

func (k *Kind) checkParams(given map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if err := k.checkParam(name, given[name]); err != nil {
			return err
		}
	}
	for _, p := range k.Params {
		if _, ok := given[p.Name]; p.Required && !ok {
			return wrong("write "+k.sample(), "read %s: its %s is missing", k.Name, p.Name)
		}
	}
	return nil
}

func (k *Kind) checkParam(name, value string) error {
	p := k.Param(name)
	if p == nil {
		otherwise := k.Name + " has " + strings.Join(k.paramNames(), ", ")
		if len(k.Params) == 0 {
			otherwise = k.Name + " has none"
		}
		return wrong(Meant(name, k.paramNames(), otherwise), "read %s: unknown parameter %q", k.Name, name)
	}
	if err := p.check(value); err != nil {
		hint := "write " + name + "=" + p.example()
		if p.Type == Choice {
			hint = Meant(value, p.Choices, hint)
		}
		return wrong(hint, "read %s: %s=%s: %v", k.Name, name, value, err)
	}
	return nil
}

// behindComma says what may be written there.
func (k *Kind) behindComma() string {
	hint := "leave the comma out"
	if len(k.Params) > 0 {
		hint += "; " + k.Name + " has " + strings.Join(k.paramNames(), ", ")
	}
	return hint
}

// sample is how the kind is written with its main parameter.
func (k *Kind) sample() string {
	if p := k.main(); p != nil && p.Required {
		return k.Name + "=" + p.example()
	}
	return k.Name
}

func (k *Kind) checkRest(f state.Fault) error {
	switch {
	case f.Stream != "" && f.Stream != "up" && f.Stream != "down":
		return wrong("write stream=up (caller to callee) or stream=down", "read stream=%s: neither up nor down", f.Stream)
	case f.Stream != "" && k.Stream == "":
		return wrong("leave stream= out", "read stream=%s: %s has no direction", f.Stream, k.Name)
	case !(f.Toxicity >= 0 && f.Toxicity <= 1):
		return wrong("write toxicity=0.5", "read toxicity=%v: not a share from 0 to 1", f.Toxicity)
	case f.For < 0:
		return wrong("write for=30s", "read for=%s: it is negative", f.For)
	}
	for _, key := range slices.Sorted(maps.Keys(f.Match)) {
		if !slices.Contains(k.Match, key) {
			hint := k.Name + " acts on whole connections"
			if len(k.Match) > 0 {
				hint = k.Name + " can tell requests apart by " + strings.Join(k.Match, ", ")
			}
			return wrong(hint, "read match.%s: %s cannot look at it", key, k.Name)
		}
	}
	if f.ID != "" && !name(f.ID) {
		return wrong("letters, digits and - . _ make a name", "read name=%s: not a name", f.ID)
	}
	if f.Lease != "" && !name(f.Lease) {
		return wrong("letters, digits and - . _ make a name", "read lease=%s: not a name", f.Lease)
	}
	return nil
}

// name reports whether a text is short and plain.
func name(s string) bool {
	odd := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	}
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, odd)
}

func checkTarget(f state.Fault, k *Kind) error {
	hint := "a target is CALLER:CALLEE; `msctl edges` lists them"
	switch {
	case f.Target == "":
		return wrong(hint, "put %s: no target", k.Name)
	case strings.ContainsFunc(f.Target, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return wrong(hint, "read target %q: not a name", f.Target)
	case k.New != nil && !f.OnEdge():
		return wrong(hint, "read target %q: %s acts on an edge, CALLER:CALLEE", f.Target, k.Name)
	case k.New == nil && f.OnEdge():
		return wrong("name a service or replica, as `msctl ps` shows them", "read target %q: %s acts on what runs, not on an edge", f.Target, k.Name)
	}
	return nil
}

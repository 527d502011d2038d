package stack

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Hash changes when a running replica of the service must be replaced: anything that says what runs,
// how it is reached and how it is asked. Places in the file, the number of replicas and what only
// matters at the next start, exit or change of a file do not count. What others give it (ports,
// addresses) is not in it either.
func (s *Service) Hash() string {
	c := *s
	c.Pos, c.Replicas, c.Tasks, c.After, c.Watch, c.Restart = Pos{}, 0, nil, nil, Watch{}, Restart{}
	c.Optional, c.Requires = false, nil
	c.Weights, c.Direct = nil, nil     // they change where calls go, and what the service is given
	c.Publishes, c.Consumes = nil, nil // nothing is given for them
	c.Calls = nil
	for _, call := range s.Calls {
		c.Calls = append(c.Calls, Call{To: call.To, Protocol: call.Protocol})
	}
	c.Listen, c.Env, c.Health = bareListens(s.Listen), bareVars(s.Env), bareProbe(s.Health)
	if s.Build != nil {
		c.Build = &Build{Command: s.Build.Command, Dockerfile: s.Build.Dockerfile}
	}
	return sum(c)
}

// Hash changes when the server behind the resource must be replaced.
func (r *Resource) Hash() string {
	c := *r
	c.Pos, c.Listen, c.Env, c.Health = Pos{}, bareListens(r.Listen), bareVars(r.Env), bareProbe(r.Health)
	return sum(c)
}

func bareListens(ls []Listen) []Listen {
	var out []Listen
	for _, l := range ls {
		l.Pos = Pos{}
		out = append(out, l)
	}
	return out
}

func bareVars(vs []Var) []Var {
	var out []Var
	for _, v := range vs {
		v.Pos = Pos{}
		out = append(out, v)
	}
	return out
}

func bareProbe(p *Probe) *Probe {
	if p == nil {
		return nil
	}
	bare := *p
	bare.Pos = Pos{}
	return &bare
}

// sum hashes a plain value. JSON of structs is stable and cannot fail for what a stack holds.
func sum(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic("hash a stack: " + err.Error())
	}
	h := sha256.Sum256(text)
	return hex.EncodeToString(h[:8])
}

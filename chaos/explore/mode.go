package explore

import (
	"slices"
	"strconv"

	"msctl.dev/msctl/internal/state"
)

// Way is a mode with what makes it happen.
type Way struct {
	Mode
	Slow bool // each run waits for somebody's patience to end
	Odd  bool // it is tried only where it is asked for

	do map[string]doing // by protocol
}

// doing is a kind of fault with its parameters.
type doing struct {
	kind   string
	params map[string]string
}

// Ways are all modes, in the order in which they are tried.
var Ways = []Way{
	{Mode: Mode{Name: "error", Doc: "the callee is not asked, and says that it is not there: 503, UNAVAILABLE"}, do: map[string]doing{
		"http": {"abort", map[string]string{"status": "503"}},
		"grpc": {"grpc-status", map[string]string{"code": "UNAVAILABLE"}},
	}},
	{Mode: Mode{Name: "refuse", Doc: "the callee is not asked, and says no: 409, FAILED_PRECONDITION"}, do: map[string]doing{
		"http": {"abort", map[string]string{"status": "409"}},
		"grpc": {"grpc-status", map[string]string{"code": "FAILED_PRECONDITION"}},
	}},
	{Mode: Mode{Name: "cut", Doc: "a statement or command is cut off before it arrives; a message that is published is lost"}, do: map[string]doing{
		"postgres": {"query-cut", map[string]string{"when": "before"}}, "redis": {"query-cut", map[string]string{"when": "before"}},
		"amqp": {"message-drop", nil}, "nats": {"message-drop", nil},
	}},
	{Mode: Mode{Name: "omit", Doc: "the callee does what it is asked, and its answer is lost", Acts: true}, do: map[string]doing{
		"http": {"omit", nil}, "grpc": {"omit", nil},
		"postgres": {"query-cut", map[string]string{"when": "after"}}, "redis": {"query-cut", map[string]string{"when": "after"}},
	}},
	{Mode: Mode{Name: "twice", Doc: "a message that is published comes two times", Acts: true}, do: map[string]doing{
		"amqp": {"message-duplicate", nil}, "nats": {"message-duplicate", nil},
	}},
	{Mode: Mode{Name: "delay", Doc: "the answer comes after the caller has given up"}, Slow: true, Odd: true, do: map[string]doing{
		"http": {"delay", map[string]string{"time": "15s"}}, "grpc": {"delay", map[string]string{"time": "15s"}},
	}},
}

// WayNames are the names of all modes; usual leaves out those that are tried only where they are asked for.
func WayNames(usual bool) (names []string) {
	for _, w := range Ways {
		if !usual || !w.Odd {
			names = append(names, w.Name)
		}
	}
	return names
}

// ModesFor returns the modes of those names in which a call can fail. Not every mode is for every protocol,
// and a call from outside has none: it is the request itself. Of what is said to a broker only messages fail.
func ModesFor(c Call, names []string) (modes []Mode) {
	broker := c.Proto == "amqp" || c.Proto == "nats"
	if c.Caller() == "" || c.Nth < 0 || c.Kind == "consume" || broker && c.Kind != "publish" {
		return nil
	}
	for _, w := range Ways {
		if _, can := w.do[c.Proto]; can && slices.Contains(names, w.Name) {
			modes = append(modes, w.Mode)
		}
	}
	return modes
}

// State is the fault as the fleet takes it, for the run of that trace.
func (f Fault) State(trace string) state.Fault {
	i := slices.IndexFunc(Ways, func(w Way) bool { return w.Name == f.Mode })
	do := Ways[i].do[f.Proto]
	match := map[string]string{"trace": trace, "op": f.Op}
	if f.Nth > 0 {
		match["k"] = strconv.Itoa(f.Nth)
	}
	return state.Fault{Target: f.Edge, Kind: do.kind, Params: do.params, Match: match}
}

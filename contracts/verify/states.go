package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/schema"
	"msctl.dev/msctl/internal/stack"
)

// StatesDir is where a stack says how to set the states of its services, beside stack.yaml.
const StatesDir = "contracts/states"

// maxStates bounds a file of states in bytes.
const maxStates = 256 << 10

// States says how one provider gets into the states that its consumers name.
type States struct {
	// Exchange is where the provider publishes messages whose pact does not say: an exchange of RabbitMQ,
	// the first word of a subject of NATS.
	Exchange string             `yaml:"exchange"`
	Reset    []Action           `yaml:"reset"` // done before each interaction
	States   map[string]State   `yaml:"states"`
	Messages map[string]Trigger `yaml:"messages"` // by the description of the message

	File string `yaml:"-"`
	hash string
}

// State is one sentence about the provider.
type State struct {
	Params map[string]any `yaml:"params"` // where the pact gives none
	Set    []Action       `yaml:"set"`    // may be empty: there is nothing to do
	Undo   []Action       `yaml:"undo"`   // done after the interaction
}

// Trigger makes the provider publish one message.
type Trigger struct {
	Exchange string   `yaml:"exchange"`
	Key      string   `yaml:"key"` // "": the pact's, or the description
	Do       []Action `yaml:"do"`
}

// Action is one thing that is done to the provider or its resources. One of SQL, HTTP, Call, Exec and Publish
// is set. {name} stands for a parameter: bound in a statement, escaped in a path, a value in JSON.
type Action struct {
	SQL    string     `yaml:"sql"`    // resource
	Schema string     `yaml:"schema"` // in it; of SQLite, the file that the kit keeps beside
	Run    Statements `yaml:"run"`

	HTTP   string            `yaml:"http"` // "PUT /users/{id}", of the provider itself
	Header map[string]string `yaml:"header"`
	JSON   any               `yaml:"json"`   // body of http, call and publish
	Status int               `yaml:"status"` // 0: anything below 400
	Holds  string            `yaml:"holds"`  // http: a text that the answer must hold
	Within Duration          `yaml:"within"` // http: tried again for so long until it answers like that
	Take   map[string]string `yaml:"take"`   // http: parameters that are parts of the answer, by name: {token: access_token}

	Call string `yaml:"call"` // "package.Service/Method", of the provider itself

	Exec []string `yaml:"exec"` // argv, in the folder and with the environment of the service

	Publish  string `yaml:"publish"` // resource
	Exchange string `yaml:"exchange"`
	Key      string `yaml:"key"`
}

// Statements is one statement or a list of them.
type Statements []string

// UnmarshalYAML implements yaml.Unmarshaler.
func (s *Statements) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*s = Statements{n.Value}
		return nil
	}
	return n.Decode((*[]string)(s))
}

// Duration is written as "5s".
type Duration time.Duration

// UnmarshalYAML implements yaml.Unmarshaler.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %q is no duration such as 5s", n.Line, n.Value)
	}
	*d = Duration(v)
	return nil
}

// LoadStates reads the states of a service from the folder of states. A service without a file has none.
func LoadStates(dir, service string) (*States, error) {
	file := filepath.Join(dir, service+".yaml")
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return &States{File: file}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read states: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxStates+1))
	if err != nil {
		return nil, fmt.Errorf("read states: %w", err)
	}
	s, err := ParseStates(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	s.File = file
	return s, nil
}

// ParseStates reads one file of states and checks each action.
func ParseStates(data []byte) (*States, error) {
	if len(data) > maxStates {
		return nil, fmt.Errorf("it is over %d bytes", maxStates)
	}
	s := &States{hash: digest(data)}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := stack.GuardYAML(func() error { return d.Decode(s) }); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	errs := []error{checkAll("reset", s.Reset)}
	for _, name := range keys(s.States) {
		st := s.States[name]
		errs = append(errs, checkAll(fmt.Sprintf("state %q", name), st.Set), checkAll(fmt.Sprintf("state %q", name), st.Undo))
	}
	for _, name := range keys(s.Messages) {
		errs = append(errs, checkAll(fmt.Sprintf("message %q", name), s.Messages[name].Do))
	}
	return s, errors.Join(errs...)
}

func checkAll(where string, actions []Action) error {
	var errs []error
	for i, a := range actions {
		if err := a.check(); err != nil {
			errs = append(errs, fmt.Errorf("%s, action %d: %w", where, i+1, err))
		}
	}
	return errors.Join(errs...)
}

// check refuses an action that says nothing, or two things.
func (a Action) check() error {
	n := 0
	for _, said := range []bool{a.SQL != "", a.HTTP != "", a.Call != "", len(a.Exec) > 0, a.Publish != ""} {
		if said {
			n++
		}
	}
	method, path, _ := strings.Cut(a.HTTP, " ")
	switch {
	case n != 1:
		return errors.New("say one of sql, http, call, exec and publish")
	case a.SQL != "" && len(a.Run) == 0:
		return errors.New("sql names a resource, and run what is done to it")
	case a.HTTP == "" && len(a.Take) > 0:
		return errors.New("take is for the answer to http")
	case a.HTTP != "" && (method == "" || !strings.HasPrefix(path, "/")):
		return fmt.Errorf("http %q: write METHOD /path", a.HTTP)
	case a.Call != "" && !isMethod(a.Call):
		return fmt.Errorf("call %q: write package.Service/Method", a.Call)
	case a.Publish != "" && a.Key == "":
		return errors.New("publish names a resource, and key what the message is called")
	}
	return nil
}

func isMethod(name string) bool { _, _, ok := schema.Name(name); return ok }

// missing returns the sentences of an interaction that the file does not have.
func (s *States) missing(i contracts.Interaction) []contracts.State {
	var out []contracts.State
	for _, st := range i.States {
		if _, known := s.States[st.Name]; !known {
			out = append(out, st)
		}
	}
	return out
}

// stubOf is what to paste for states that are not described.
func (s *States) stubOf(missing []contracts.State) string {
	var b strings.Builder
	fmt.Fprintf(&b, "describe it in %s:\n\nstates:\n", filepath.ToSlash(filepath.Join(StatesDir, filepath.Base(s.File))))
	for _, st := range missing {
		fmt.Fprintf(&b, "  %s:\n", scalar(st.Name))
		if names := keys(st.Params); len(names) > 0 {
			b.WriteString("    params: {")
			for i, name := range names {
				if i > 0 {
					b.WriteString(", ")
				}
				fmt.Fprintf(&b, "%s: %s", name, scalar(st.Params[name]))
			}
			b.WriteString("}\n")
		}
		b.WriteString("    set: []   # sql, http, call, exec or publish; {name} is a parameter\n")
	}
	return b.String()
}

// triggerStub is what to paste for a message that nothing is known to trigger.
func (s *States) triggerStub(description string) string {
	return fmt.Sprintf("say in %s what makes the service publish it:\n\nmessages:\n  %s:\n    do:\n      - http: POST /…\n",
		filepath.ToSlash(filepath.Join(StatesDir, filepath.Base(s.File))), scalar(description))
}

// scalar writes one value as YAML on one line.
func scalar(v any) string {
	if n, ok := v.(json.Number); ok {
		return n.String()
	}
	out, err := yaml.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%q", fmt.Sprint(v))
	}
	return strings.TrimSuffix(string(out), "\n")
}

func keys[T any](m map[string]T) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

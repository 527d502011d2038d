package scaffold

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Values is all that a template may use.
type Values struct {
	Service string // billing
	Path    string // services/billing: its folder, from the stack's
	Stack   string // name of the stack
	Module  string // Go module at the stack's folder: example.com/shop
	Kit     string // folder of the kit, from the stack's
	Calls   []Call
	Uses    []Use
	Params  map[string]string

	Publishes []Event // beside what the template publishes unasked
	Consumes  []Event
	Others    []Published // what other services publish
}

// Call is another service that the new one calls.
type Call struct {
	Name     string
	Protocol string // "http" or "grpc"
}

// Env is the variable that has its address: USERS_URL, PAYMENTS_GRPC_ADDR.
func (c Call) Env() string {
	if c.Protocol == "grpc" {
		return envName(c.Name) + "_GRPC_ADDR"
	}
	return envName(c.Name) + "_URL"
}

// Use is a resource that the new service uses.
type Use struct {
	Name string // billing-db
	Kind string // postgres
	New  bool   // stack.yaml does not have it yet
}

// Env is the variable that has its address: BILLING_DB_URL.
func (u Use) Env() string { return envName(u.Name) + "_URL" }

// Package is the import path of the service's folder.
func (v Values) Package() string { return v.Module + "/" + v.Path }

// KitPackage is the import path of the kit.
func (v Values) KitPackage() string { return v.Module + "/" + v.Kit }

// Root leads from the service's folder to the stack's: ../..
func (v Values) Root() string {
	return strings.TrimSuffix(strings.Repeat("../", strings.Count(path.Clean(v.Path), "/")+1), "/")
}

// HTTP are the calls over HTTP.
func (v Values) HTTP() []Call { return v.over("http") }

// GRPC are the calls over gRPC.
func (v Values) GRPC() []Call { return v.over("grpc") }

func (v Values) over(protocol string) []Call {
	return slices.DeleteFunc(slices.Clone(v.Calls), func(c Call) bool { return c.Protocol != protocol })
}

// Database is the first database that it uses, or nil.
func (v Values) Database() *Use { return v.first("postgres") }

// Broker is the first broker, or nil.
func (v Values) Broker() *Use { return v.first("rabbitmq", "nats") }

// Cache is the first Redis, or nil.
func (v Values) Cache() *Use { return v.first("redis") }

func (v Values) first(kinds ...string) *Use {
	for _, u := range v.Uses {
		if slices.Contains(kinds, u.Kind) {
			return &u
		}
	}
	return nil
}

// check returns why a template cannot be rendered for these values. Whatever passes it can stand in a file
// name, a shell, a quoted string of any language, or YAML, and is nothing but itself there.
func (v Values) check(t *Template) error {
	for what, name := range map[string]string{"service": v.Service, "stack": v.Stack} {
		if !ValidName(name) {
			return fmt.Errorf("read name of the %s: %q is not small letters, digits and - between them", what, name)
		}
	}
	for _, p := range []string{v.Path, v.Kit} {
		if err := CheckPath(p); err != nil {
			return err
		}
	}
	if !ValidModule(v.Module) {
		return fmt.Errorf("read module: %q is not the path of a Go module", v.Module)
	}
	for _, c := range v.Calls {
		if !nameForm.MatchString(c.Name) || !nameForm.MatchString(c.Protocol) {
			return fmt.Errorf("read call: %q over %q is no service", c.Name, c.Protocol)
		}
	}
	for _, u := range v.Uses {
		if !nameForm.MatchString(u.Name) || !nameForm.MatchString(u.Kind) {
			return fmt.Errorf("read use: %q of type %q is no resource", u.Name, u.Kind)
		}
	}
	if err := v.checkEvents(t); err != nil {
		return err
	}
	return v.checkParams(t)
}

// ErrParameters says that a parameter is missing, unknown or not of its form.
var ErrParameters = errors.New("read parameters")

func (v Values) checkParams(t *Template) error {
	for name := range v.Params {
		if !slices.ContainsFunc(t.Params, func(p Param) bool { return p.Name == name }) {
			return fmt.Errorf("%w: %s has none that is called %q", ErrParameters, t.Name, name)
		}
	}
	for _, p := range t.Params {
		value, said := v.Params[p.Name]
		if !said {
			return fmt.Errorf("%w: %s is not said", ErrParameters, p.Name)
		}
		if err := p.Accepts(value); err != nil {
			return fmt.Errorf("%w: %w", ErrParameters, err)
		}
	}
	return nil
}

// envName is how a name stands in the environment: USERS_DB.
func envName(name string) string { return strings.ToUpper(strings.ReplaceAll(name, "-", "_")) }

// ident is a name as an identifier that begins small: users-db is usersDb.
func ident(name string) string {
	t := title(name)
	return strings.ToLower(t[:1]) + t[1:]
}

// title is a name as an identifier that begins big: users-db is UsersDb, and 3d is N3d.
func title(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "-") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	t := b.String()
	if t == "" || t[0] >= '0' && t[0] <= '9' {
		return "N" + t
	}
	return t
}

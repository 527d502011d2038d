// Package resource knows the backing servers: which kinds there are, how each can be run on this
// machine (in a container, as an installed server, or embedded in msctl), where it listens, when it
// answers, and how one server is shared by several resources of a stack.
package resource

import (
	"context"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/stack"
)

// Kinds is every kind of resource, in the order of the reference pages.
var Kinds = []*Kind{Postgres, Redis, RabbitMQ, NATS, Kafka, MySQL, Mongo, SMTP, Container}

// Find returns the kind of that name, or nil.
func Find(name string) *Kind {
	for _, k := range Kinds {
		if k.Name == name {
			return k
		}
	}
	return nil
}

// Kind is one sort of backing server.
type Kind struct {
	Name    string
	Doc     string    // one line for help and the reference page
	Shared  bool      // resources of this kind share one server, each with a database of its own
	Recipes []*Recipe // ways to run it, the preferred one first
	StandIn []*Recipe // what `embedded:` may name instead: another server, with another URL
}

// Runtime is where a recipe runs its server.
type Runtime string

// The runtimes, in order of preference. Auto is no runtime but the wish for the first that works.
const (
	Auto     Runtime = "auto"
	InEngine Runtime = "container"
	Native   Runtime = "native"
	Embedded Runtime = "embedded"
)

// Runtimes is what `--runtime` and `runtime:` take.
var Runtimes = []Runtime{Auto, InEngine, Native, Embedded}

// Recipe is one way to run a kind: what it needs, and how it is set up, run, asked and shared.
type Recipe struct {
	Name     string // what is run: "postgres", "mariadb", "sqlite"
	Runtime  Runtime
	Images   []string // container: the default image first, then older ones that work as well
	Programs []string // native: every program it needs
	Packages []Package
	Listens  []stack.Listen // ports by name, the main one first; Port is the port inside a container
	InFile   bool           // no server at all: each resource is a file

	listens  func(Choice) []stack.Listen                    // in place of Listens where the image or the resource decides
	setup    func(context.Context, site) error              // nil: an empty data folder is enough
	unit     func(site) (driver.Unit, error)                // nil for InFile
	ready    func(context.Context, site) error              // one try; nil for InFile
	prepare  func(context.Context, site, Choice) error      // nil: nothing to make per resource
	endpoint func(at site, c Choice) Endpoint               // what the resource's users are given
	check    func(r *stack.Resource) (mistake, hint string) // nil: nothing to check
}

// Package is what to install with one package manager.
type Package struct{ Manager, Names string }

// Place is where a server lives on this machine. Its folders are absolute.
type Place struct {
	DataDir  string         // of this server alone; its last parent that msctl made is named .msctl
	CacheDir string         // shared by the servers of a stack: templates of fresh data folders
	LogDir   string         // for [driver.Unit.LogDir]
	Exe      string         // msctl itself, which runs the embedded servers
	Ports    map[string]int // on 127.0.0.1, by the names of [Server.Listens]
	Stack    string         // id of the running stack: names volumes, marks processes
	Secret   string         // passwords are derived from it; see [LoadSecret]. "" derives them from Stack
	Env      []stack.Var    // type container: its `env` with the references replaced; nil: as written
}

// Endpoint is what a service is told about one resource.
type Endpoint struct {
	URL      string // with user and password
	Host     string // "" for a file
	Port     int
	User     string
	Password string
	Database string // database, virtual host, number or file
}

package cli

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/state"
)

// beside makes a command that is run beside a backing server reach it: the well-known clients find the
// server as they would inside its container, by their variables where they read any, else by arguments.
func beside(env *state.Environment, argv []string) []string {
	at := addressOf(*env)
	if at == nil {
		return argv
	}
	for _, v := range clientVariables(at) {
		if name, value, _ := strings.Cut(v, "="); value != "" && !slices.ContainsFunc(env.Env, func(e string) bool {
			return strings.HasPrefix(e, name+"=")
		}) {
			env.Env = append(env.Env, v)
		}
	}
	if more := clientArguments(at, filepath.Base(argv[0])); more != nil {
		return slices.Concat(argv[:1], more, argv[1:])
	}
	return argv
}

// addressOf returns the address of the backing server that an environment was made for.
func addressOf(env state.Environment) *url.URL {
	for _, e := range env.Env {
		name, value, _ := strings.Cut(e, "=")
		if !strings.HasSuffix(name, "_URL") {
			continue
		}
		if at, err := url.Parse(value); err == nil && at.Scheme != "" {
			return at
		}
	}
	return nil
}

// clientVariables is what the clients of a kind of server read.
func clientVariables(at *url.URL) []string {
	password, _ := at.User.Password()
	database := strings.TrimPrefix(at.Path, "/")
	switch at.Scheme {
	case "postgres":
		return []string{"PGHOST=" + at.Hostname(), "PGPORT=" + at.Port(), "PGUSER=" + at.User.Username(),
			"PGPASSWORD=" + password, "PGDATABASE=" + database, "PGSSLMODE=disable"}
	case "mysql":
		return []string{"MYSQL_HOST=" + at.Hostname(), "MYSQL_TCP_PORT=" + at.Port(), "MYSQL_PWD=" + password}
	case "nats":
		return []string{"NATS_URL=" + at.String()}
	}
	return nil
}

// clientArguments is what a client must be told that reads no variable; the user's own come after it.
func clientArguments(at *url.URL, program string) []string {
	switch program {
	case "redis-cli":
		return []string{"-u", at.String()}
	case "mysql", "mariadb":
		return []string{"-h", at.Hostname(), "-P", at.Port(), "-u", at.User.Username(), "-D", strings.TrimPrefix(at.Path, "/")}
	case "mongosh", "mongo":
		return []string{at.String()}
	case "sqlite3":
		return []string{at.Path}
	}
	return nil
}

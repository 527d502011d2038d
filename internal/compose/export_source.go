package compose

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/stack"
)

// source writes what a container of a service is made from: an image, its Dockerfile, or one written here
// for its language.
func (e *exporter) source(p *page, s *stack.Service) {
	switch {
	case s.Language == stack.Image:
		p.line(2, "image: %s", literal(s.Image))
		e.command(p, s)
	case s.Build != nil && s.Build.Dockerfile != "":
		e.build(p, s.Source, s.Build.Dockerfile)
		e.command(p, s)
	case s.Source != "" && there(filepath.Join(s.Source, "Dockerfile")):
		e.build(p, s.Source, "Dockerfile")
		if s.Language == stack.Command {
			e.leave("service %s: its image runs the command of its Dockerfile", s.Name)
		}
	default:
		e.inline(p, s)
	}
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (e *exporter) command(p *page, s *stack.Service) {
	if len(s.Command) > 0 {
		p.line(2, "command: %s", literals(s.Command))
	}
}

// relative returns a folder as the compose file says it.
func (e *exporter) relative(path string) string {
	rel, err := filepath.Rel(e.o.Dir, path)
	if err != nil {
		return filepath.ToSlash(path)
	}
	if rel = filepath.ToSlash(rel); !strings.HasPrefix(rel, ".") {
		rel = "./" + rel
	}
	return rel
}

func (e *exporter) build(p *page, context, dockerfile string) {
	p.line(2, "build:")
	p.line(3, "context: %s", literal(e.relative(context)))
	if dockerfile != "Dockerfile" {
		p.line(3, "dockerfile: %s", literal(dockerfile))
	}
}

// inline writes a Dockerfile for a service that has none.
func (e *exporter) inline(p *page, s *stack.Service) {
	context, lines := s.Source, []string(nil)
	switch s.Language {
	case stack.Go:
		context = moduleRoot(s.Source)
		lines = goFile(context, s.Source)
	case stack.Node:
		lines = []string{"FROM node:22-slim", "WORKDIR /app", "COPY package*.json ./",
			"RUN if [ -f package-lock.json ]; then npm ci --omit=dev; else npm install --omit=dev; fi", "COPY . .", "USER node",
			`CMD ["npm", "start"]`}
	case stack.Python:
		lines = []string{"FROM python:3.13-slim", "WORKDIR /app", "COPY . .",
			"RUN if [ -f requirements.txt ]; then pip install --no-cache-dir -r requirements.txt; fi", "USER nobody",
			`CMD ["python", "-u", "` + pythonStart(s.Source) + `"]`}
	default:
		e.leave("service %s: only a command is known, not what image it can run in: debian runs it", s.Name)
		p.line(2, "image: debian:stable-slim")
		e.command(p, s)
		return
	}
	p.line(2, "build:")
	p.line(3, "context: %s", literal(e.relative(context)))
	p.line(3, "dockerfile_inline: |")
	for _, l := range lines {
		p.line(4, "%s", strings.ReplaceAll(l, "$", "$$"))
	}
	if s.Language != stack.Go && len(s.Command) > 0 {
		e.command(p, s)
	}
}

func pythonStart(dir string) string {
	if name := pythonMain(dir); name != "" {
		return name
	}
	return "."
}

// moduleRoot returns the folder of the go.mod that a package belongs to, or its own.
func moduleRoot(dir string) string {
	for at := dir; ; at = filepath.Dir(at) {
		if there(filepath.Join(at, "go.mod")) {
			return at
		}
		if at == filepath.Dir(at) {
			return dir
		}
	}
}

// goFile builds one static program in an image with nothing else.
func goFile(root, dir string) []string {
	rel, err := filepath.Rel(root, dir)
	if err != nil {
		rel = "."
	}
	main := "./" + filepath.ToSlash(rel)
	return []string{"FROM golang:1 AS build", "WORKDIR /src", "COPY . .",
		"RUN CGO_ENABLED=0 go build -trimpath -o /service " + main, "FROM gcr.io/distroless/static-debian12:nonroot",
		"COPY --from=build /service /service", `ENTRYPOINT ["/service"]`}
}

// server is how an image of a kind is set up, and where it answers.
type server struct {
	kind    string
	port    int
	env     []variable // USER, PASSWORD, NAME and HOST stand for the resource's own
	command []string
	health  string // a line for the image's shell
	data    string // folder that is kept
	url     string
	image   string // where nobody says another
	open    bool   // takes anybody
}

// servers is every kind that is exported.
var servers = []server{
	{kind: "postgres", port: 5432, env: []variable{{"POSTGRES_USER", "USER"}, {"POSTGRES_PASSWORD", "PASSWORD"}, {"POSTGRES_DB", "NAME"}},
		health: "pg_isready -U USER -d NAME", data: "/var/lib/postgresql/data", url: "postgres://USER:PASSWORD@HOST:5432/NAME?sslmode=disable", image: "postgres:17"},
	{kind: "redis", open: true, port: 6379, health: "redis-cli ping", data: "/data", url: "redis://HOST:6379/0", image: "redis:8"},
	{kind: "rabbitmq", port: 5672, env: []variable{{"RABBITMQ_DEFAULT_USER", "USER"}, {"RABBITMQ_DEFAULT_PASS", "PASSWORD"}, {"RABBITMQ_DEFAULT_VHOST", "NAME"}},
		health: "rabbitmq-diagnostics -q ping", data: "/var/lib/rabbitmq", url: "amqp://USER:PASSWORD@HOST:5672/NAME", image: "rabbitmq:4"},
	{kind: "nats", open: true, port: 4222, command: []string{"-js"}, url: "nats://HOST:4222", image: "nats:2.12"},
	{kind: "kafka", open: true, port: 9092, env: []variable{{"KAFKA_NODE_ID", "1"}, {"KAFKA_PROCESS_ROLES", "broker,controller"},
		{"KAFKA_LISTENERS", "PLAINTEXT://:9092,CONTROLLER://:9093"}, {"KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT://HOST:9092"},
		{"KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER"}, {"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT"},
		{"KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:9093"}, {"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1"}},
		url: "kafka://HOST:9092", image: "apache/kafka:4.1.0"},
	{kind: "mysql", port: 3306, env: []variable{{"MARIADB_USER", "USER"}, {"MARIADB_PASSWORD", "PASSWORD"}, {"MARIADB_DATABASE", "NAME"}, {"MARIADB_RANDOM_ROOT_PASSWORD", "1"}},
		health: "healthcheck.sh --connect --innodb_initialized", data: "/var/lib/mysql", url: "mysql://USER:PASSWORD@HOST:3306/NAME", image: "mariadb:11.8"},
	{kind: "mongo", port: 27017, env: []variable{{"MONGO_INITDB_ROOT_USERNAME", "USER"}, {"MONGO_INITDB_ROOT_PASSWORD", "PASSWORD"}, {"MONGO_INITDB_DATABASE", "NAME"}},
		health: "mongosh --quiet --eval 'db.runCommand({ping: 1}).ok'", data: "/data/db", url: "mongodb://USER:PASSWORD@HOST:27017/NAME?authSource=admin", image: "mongo:8"},
	{kind: "smtp", open: true, port: 1025, url: "smtp://HOST:1025", image: "axllent/mailpit:v1.27"},
}

// serverOf returns how a kind is exported; the zero value for one that is not known.
func serverOf(kind string) server {
	i := slices.IndexFunc(servers, func(s server) bool { return s.kind == kind })
	if i < 0 {
		return server{kind: kind}
	}
	return servers[i]
}

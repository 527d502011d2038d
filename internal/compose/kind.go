package compose

import (
	"path"
	"strings"
)

// kind is a backing server that the stack knows, by its images.
type kind struct {
	name     string
	images   []string // last part of the image's name
	official []string // whose tags the stack's own recipe can run
	user     []string // variables that make the server's user, password and database
	password []string
	database []string
	other    []string       // variables that say what msctl does itself
	ports    map[int]string // ports other than the main one, by the listen names of the resource
	main     int
	schemes  []string // of URLs
}

// kinds is every one, in the order of `msctl docs`.
var kinds = []kind{
	{name: "postgres", images: []string{"postgres", "postgresql", "postgis", "timescaledb", "timescaledb-ha", "pgvector"}, official: []string{"postgres", "postgis/postgis", "pgvector/pgvector"},
		user: []string{"POSTGRES_USER", "POSTGRESQL_USERNAME"}, password: []string{"POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD"}, database: []string{"POSTGRES_DB", "POSTGRESQL_DATABASE"},
		other: []string{"PGDATA", "POSTGRES_HOST_AUTH_METHOD"}, main: 5432, schemes: []string{"postgres", "postgresql"}},
	{name: "redis", images: []string{"redis", "valkey", "redis-stack", "redis-stack-server", "keydb"}, official: []string{"redis"},
		other: []string{"ALLOW_EMPTY_PASSWORD"}, main: 6379, schemes: []string{"redis"}},
	{name: "rabbitmq", images: []string{"rabbitmq"}, official: []string{"rabbitmq"},
		user: []string{"RABBITMQ_DEFAULT_USER", "RABBITMQ_USERNAME"}, password: []string{"RABBITMQ_DEFAULT_PASS", "RABBITMQ_PASSWORD"}, database: []string{"RABBITMQ_DEFAULT_VHOST"},
		other: []string{"RABBITMQ_ERLANG_COOKIE"}, main: 5672, schemes: []string{"amqp"}},
	{name: "nats", images: []string{"nats", "nats-streaming"}, official: []string{"nats"}, main: 4222, schemes: []string{"nats"}},
	{name: "kafka", images: []string{"kafka", "cp-kafka", "redpanda", "kafka-native"}, main: 9092},
	{name: "mysql", images: []string{"mysql", "mariadb", "percona", "mysql-server"}, official: []string{"mariadb"},
		user: []string{"MYSQL_USER", "MARIADB_USER"}, password: []string{"MYSQL_PASSWORD", "MARIADB_PASSWORD"}, database: []string{"MYSQL_DATABASE", "MARIADB_DATABASE"},
		other: []string{"MYSQL_ROOT_PASSWORD", "MARIADB_ROOT_PASSWORD", "MYSQL_ALLOW_EMPTY_PASSWORD", "MYSQL_RANDOM_ROOT_PASSWORD"}, main: 3306, schemes: []string{"mysql"}},
	{name: "mongo", images: []string{"mongo", "mongodb", "mongodb-community-server"}, official: []string{"mongo"},
		user: []string{"MONGO_INITDB_ROOT_USERNAME"}, password: []string{"MONGO_INITDB_ROOT_PASSWORD"}, database: []string{"MONGO_INITDB_DATABASE"}, main: 27017, schemes: []string{"mongodb"}},
	{name: "smtp", images: []string{"mailhog", "mailpit", "maildev", "mailcatcher"}, main: 1025, ports: map[int]string{8025: "http", 1080: "http"}, schemes: []string{"smtp"}},
}

// kindOf returns the kind that an image is, or nil.
func kindOf(image string) *kind {
	name, _ := splitImage(image)
	for i := range kinds {
		for _, known := range kinds[i].images {
			if path.Base(name) == known {
				return &kinds[i]
			}
		}
	}
	return nil
}

// splitImage takes the tag and digest off an image.
func splitImage(image string) (name, tag string) {
	name, _, _ = strings.Cut(image, "@")
	if at := strings.LastIndexByte(name, ':'); at > strings.LastIndexByte(name, '/') {
		return name[:at], name[at+1:]
	}
	return name, ""
}

// keeps reports an image that the kind's own recipe can run.
func (k *kind) keeps(image string) bool {
	name, tag := splitImage(image)
	name = strings.TrimPrefix(strings.TrimPrefix(name, "docker.io/"), "library/")
	for _, o := range k.official {
		if name == o {
			return tag != "" && tag != "latest"
		}
	}
	return false
}

// own lists the variables of the server that msctl sets itself.
func (k *kind) own(name string) bool {
	for _, list := range [][]string{k.user, k.password, k.database, k.other} {
		for _, known := range list {
			if name == known {
				return true
			}
		}
	}
	return false
}

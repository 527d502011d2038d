package resource

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/stack"
)

// Redis is a cache or key-value store. Each resource has a server of its own: it costs little, and a
// FLUSHALL or a channel of one service must not reach another's.
var Redis = &Kind{
	Name: "redis",
	Doc:  "Redis, a key-value store; embedded: miniredis, which keeps its data over restarts",
	Recipes: []*Recipe{
		{
			Name: "redis", Runtime: InEngine, Images: []string{"redis:8", "redis:7"},
			Listens: []stack.Listen{{Name: "redis", Port: 6379}},
			unit: func(at site) (driver.Unit, error) {
				return driver.Unit{
					Image:  at.choice().Image,
					Argv:   []string{"redis-server", "--appendonly", "yes"},
					Mounts: []driver.Mount{{Source: at.volume(), Target: "/data"}},
				}, nil
			},
			ready: redisReady, endpoint: redisEndpoint,
		},
		{
			Name: "redis", Runtime: Native, Programs: []string{"redis-server"},
			Packages: []Package{{"apt-get", "redis-server"}, {"dnf", "redis"}, {"apk", "redis"}, {"pacman", "redis"}, {"brew", "redis"}},
			Listens:  []stack.Listen{{Name: "redis"}},
			setup:    redisSetup,
			unit: func(at site) (driver.Unit, error) {
				return at.native([]string{at.program("redis-server"), at.file("redis.conf"), "--port", strconv.Itoa(at.port()), "--bind", host,
					"--dir", at.folder(), "--appendonly", "yes", "--daemonize", "no"}), nil
			},
			ready: redisReady, endpoint: redisEndpoint,
		},
		{
			Name: "redis", Runtime: Embedded, Listens: []stack.Listen{{Name: "redis"}},
			unit: func(at site) (driver.Unit, error) {
				return at.embedded("redis", "--addr", at.addr(), "--dir", at.folder()), nil
			},
			ready: redisReady, endpoint: redisEndpoint,
		},
	},
}

// redisSetup keeps the server from writing its title over its environment, by which msctl knows whose
// process it is. Servers before 6.2 cannot be told so.
func redisSetup(ctx context.Context, at site) error {
	o, err := at.owner()
	if err != nil {
		return err
	}
	out, err := at.output(ctx, at.folder(), nil, at.program("redis-server"), "--version")
	if err != nil {
		return err
	}
	var major, minor int
	_, version, _ := strings.Cut(out, "v=") // Redis server v=7.0.15 sha=00000000:0 …
	fmt.Sscanf(version, "%d.%d", &major, &minor)
	conf := ""
	if major > 6 || major == 6 && minor >= 2 {
		conf = "set-proc-title no\n"
	}
	return writeFile(at.file("redis.conf"), []byte(conf), o)
}

func redisEndpoint(at site, _ Choice) Endpoint {
	return Endpoint{URL: fmt.Sprintf("redis://%s/0", at.addr()), Host: host, Port: at.port(), Database: "0"}
}

// redisReady dials by itself: the client's pool writes to the terminal when it cannot.
func redisReady(ctx context.Context, at site) error {
	conn, err := quick.DialContext(ctx, "tcp", at.addr())
	if err != nil {
		return err
	}
	defer conn.Close()
	c := redis.NewClient(&redis.Options{
		MaxRetries: -1, DialerRetries: 1, PoolSize: 1,
		Dialer: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
	})
	defer c.Close()
	return c.Ping(ctx).Err()
}

package resource

import (
	"context"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/stack"
)

// NATS is a message broker with JetStream. Each resource has a server of its own.
var NATS = &Kind{
	Name: "nats",
	Doc:  "NATS with JetStream, a message broker; embedded: the same server inside msctl",
	Recipes: []*Recipe{
		{
			Name: "nats", Runtime: InEngine, Images: []string{"nats:2.12", "nats:2.11", "nats:2.10", "nats:2", "nats:2.9"},
			Listens: []stack.Listen{{Name: "nats", Port: 4222}},
			unit: func(at site) (driver.Unit, error) {
				return driver.Unit{
					Image:  at.choice().Image,
					Argv:   []string{"-js", "-sd", "/data"},
					Mounts: []driver.Mount{{Source: at.volume(), Target: "/data"}},
				}, nil
			},
			ready: natsReady, endpoint: natsEndpoint,
		},
		{
			Name: "nats", Runtime: Native, Programs: []string{"nats-server"},
			Packages: []Package{{"apt-get", "nats-server"}, {"dnf", "nats-server"}, {"apk", "nats-server"}, {"pacman", "nats-server"}, {"brew", "nats-server"}},
			Listens:  []stack.Listen{{Name: "nats"}},
			unit: func(at site) (driver.Unit, error) {
				return at.native([]string{at.program("nats-server"), "-a", host, "-p", strconv.Itoa(at.port()), "-js", "-sd", at.folder()}), nil
			},
			ready: natsReady, endpoint: natsEndpoint,
		},
		natsEmbedded,
	},
}

// natsEmbedded is a recipe of NATS and the stand-in for brokers that cannot be embedded.
var natsEmbedded = &Recipe{
	Name: "nats", Runtime: Embedded, Listens: []stack.Listen{{Name: "nats"}},
	unit: func(at site) (driver.Unit, error) {
		return at.embedded("nats", "--addr", at.addr(), "--dir", at.folder()), nil
	},
	ready: natsReady, endpoint: natsEndpoint,
}

func natsEndpoint(at site, _ Choice) Endpoint {
	return Endpoint{URL: fmt.Sprintf("nats://%s", at.addr()), Host: host, Port: at.port()}
}

// natsReady asks JetStream too: it opens after the port when there is much to recover.
func natsReady(ctx context.Context, at site) error {
	timeout := untilDeadline(ctx)
	nc, err := nats.Connect("nats://"+at.addr(), nats.NoReconnect(), nats.Timeout(timeout), nats.SetCustomDialer(&quick))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err = js.AccountInfo(ctx)
	return err
}

package container

import (
	"os"
	"strings"
	"sync"

	moby "github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
)

// settling guards the process's environment while testcontainers-go reads it.
var settling sync.Mutex

// provider returns a testcontainers-go provider that talks to the engine at host. The library's host override
// is not needed: msctl chooses the ports itself and never asks the library.
func provider(host string) (*testcontainers.DockerProvider, error) {
	cli, err := moby.New(moby.FromEnv, moby.WithHost(host))
	if err != nil {
		return nil, err
	}
	defer settle(host)()
	options := testcontainers.Generic2DockerOptions(testcontainers.WithLogger(tclog.NewNoopLogger()))
	p, err := testcontainers.NewDockerProvider(append(options, testcontainers.WithDefaultBridgeNetwork(bridge(host)))...)
	if err != nil {
		cli.Close()
		return nil, err
	}
	p.Client().Close()
	p.SetClient(cli)
	return p, nil
}

// settle holds testcontainers-go to msctl's settings until the returned function is called.
//
// The library takes them from the environment alone, once in a process, and keeps them. They are put there for
// that moment and taken away again, so that nothing msctl starts inherits them: no Ryuk, which would end
// detached stacks (msctl removes by label itself), no other prefix for images, the engine that was found, and
// no banner about it on stderr.
func settle(host string) (done func()) {
	settling.Lock()
	said := tclog.Default()
	tclog.SetDefault(tclog.NewNoopLogger())
	restore := []func(){
		setenv("TESTCONTAINERS_RYUK_DISABLED", "true"),
		setenv("TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX", ""),
		setenv("DOCKER_HOST", host),
		func() { tclog.SetDefault(said) },
		settling.Unlock,
	}
	return func() {
		for _, f := range restore {
			f()
		}
	}
}

// bridge is the name of the network that an engine puts containers on by itself.
func bridge(host string) string {
	if strings.Contains(host, "podman") {
		return testcontainers.Podman
	}
	return testcontainers.Bridge
}

// setenv sets a variable and returns what puts it back.
func setenv(key, value string) (restore func()) {
	old, was := os.LookupEnv(key)
	os.Setenv(key, value)
	return func() {
		if was {
			os.Setenv(key, old)
		} else {
			os.Unsetenv(key)
		}
	}
}

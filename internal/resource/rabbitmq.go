package resource

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/stack"
)

// RabbitMQ is the AMQP broker. Its resources share one server, for it takes seconds to start: each is a
// virtual host with a user of its own. There is no AMQP server to embed. A resource that wants the
// management page says `image: rabbitmq:4-management`; it is not the default, for with it the broker
// takes two seconds more to start and five more to stop.
var RabbitMQ = &Kind{
	Name:   "rabbitmq",
	Doc:    "RabbitMQ, an AMQP 0-9-1 broker; `embedded: nats` gives NATS where there is none",
	Shared: true,
	Recipes: []*Recipe{
		{
			Name: "rabbitmq", Runtime: InEngine, Images: []string{"rabbitmq:4", "rabbitmq:3.13", "rabbitmq:3", "rabbitmq:3.10"},
			listens: rabbitListens, setup: rabbitContainerSetup, unit: rabbitContainer, ready: rabbitReady,
			prepare: rabbitPrepare(rabbitImportHTTP), endpoint: rabbitEndpoint,
		},
		{
			Name: "rabbitmq", Runtime: Native, Programs: []string{"rabbitmq-server", "rabbitmqctl", "epmd"},
			Packages: []Package{{"apt-get", "rabbitmq-server"}, {"dnf", "rabbitmq-server"}, {"apk", "rabbitmq-server"}, {"pacman", "rabbitmq"}, {"brew", "rabbitmq"}},
			Listens:  []stack.Listen{{Name: "amqp"}, {Name: "dist"}, {Name: "epmd"}},
			setup:    rabbitNativeSetup, unit: rabbitNative, ready: rabbitReady,
			prepare: rabbitPrepare(rabbitImportCLI), endpoint: rabbitEndpoint,
		},
	},
	StandIn: []*Recipe{natsEmbedded},
}

// rabbitNode is the same everywhere: the data's folder is named after it.
const rabbitNode = "rabbit@localhost"

// managed reports that an image has the management page.
func managed(c Choice) bool { return strings.HasSuffix(c.Image, "-management") }

func rabbitListens(c Choice) []stack.Listen {
	all := []stack.Listen{{Name: "amqp", Port: 5672}}
	if managed(c) {
		all = append(all, stack.Listen{Name: "http", Port: 15672})
	}
	return all
}

func rabbitContainerSetup(_ context.Context, at site) error {
	// read inside by the image's own user; the folders above are closed to others on this side
	if err := os.Chmod(at.folder(), 0o755); err != nil {
		return err
	}
	conf := "load_definitions = /etc/msctl/definitions.json\nlog.console = true\n"
	if err := os.WriteFile(filepath.Join(at.folder(), "rabbitmq.conf"), []byte(conf), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(at.folder(), "definitions.json"), rabbitDefinitions(at, at.Choices), 0o644)
}

func rabbitContainer(at site) (driver.Unit, error) {
	u := driver.Unit{
		Image: at.choice().Image,
		Env:   []string{"RABBITMQ_NODENAME=" + rabbitNode, "RABBITMQ_CONFIG_FILE=/etc/msctl/rabbitmq.conf", rabbitErlang("")},
		Mounts: []driver.Mount{
			{Source: at.volume(), Target: "/var/lib/rabbitmq"},
			{Source: at.folder(), Target: "/etc/msctl", ReadOnly: true},
		},
	}
	if !managed(at.choice()) { // a virtual host more means another unit: only a start can make it
		id := sha256.Sum256(rabbitDefinitions(at, at.Choices))
		u.Labels = map[string]string{"msctl.definitions": hex.EncodeToString(id[:6])}
	}
	return u, nil
}

// rabbitErlang stops the schedulers from spinning: an idle broker shall cost nothing.
func rabbitErlang(more string) string {
	return "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+sbwt none +sbwtdcpu none +sbwtdio none" + more
}

func rabbitNativeSetup(_ context.Context, at site) error {
	o, err := at.owner()
	if err != nil {
		return err
	}
	conf := fmt.Sprintf("listeners.tcp.1 = %s\nlog.console = true\nload_definitions = %s\n", at.addr(), at.file("definitions.json"))
	for name, content := range map[string]string{
		"rabbitmq.conf":    conf,
		"enabled_plugins":  "[].\n",
		"definitions.json": string(rabbitDefinitions(at, at.Choices)),
		".erlang.cookie":   at.password("cookie"),
	} {
		if err := writeFile(at.file(name), []byte(content), o); err != nil {
			return err
		}
	}
	return nil
}

// rabbitNative runs the broker and the port mapper that it needs as one unit, which msctl itself holds
// together: a port mapper left to Erlang is shared by the whole machine and outlives the broker.
func rabbitNative(at site) (driver.Unit, error) {
	u := at.embedded("rabbitmq", "--epmd", at.program("epmd"), "--addr", address(at.Ports["epmd"]), "--user", at.choice().User,
		"--", at.program("rabbitmq-server"))
	u.Env = append(u.Env, rabbitEnv(at)...)
	return u, nil
}

func rabbitEnv(at site) []string {
	return []string{
		"ERL_EPMD_PORT=" + strconv.Itoa(at.Ports["epmd"]),
		"ERL_EPMD_ADDRESS=" + host,
		"RABBITMQ_CONF_ENV_FILE=/dev/null",
		"RABBITMQ_NODENAME=" + rabbitNode,
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(at.Ports["dist"]),
		"RABBITMQ_MNESIA_BASE=" + at.file("mnesia"),
		"RABBITMQ_LOG_BASE=" + at.file("log"),
		"RABBITMQ_LOGS=-",
		"RABBITMQ_PID_FILE=" + at.file("pid"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + at.file("enabled_plugins"),
		"RABBITMQ_CONFIG_FILE=" + at.file("rabbitmq"),
		"RABBITMQ_CTL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
		"RUNNING_UNDER_SYSTEMD=true", // the start script becomes the broker instead of waiting for it
		rabbitErlang(" +B i -start_epmd false -kernel inet_dist_use_interface {127,0,0,1}"),
	}
}

// file is a path in the recipe's folder.
func (at site) file(name string) string { return filepath.Join(at.folder(), name) }

// rabbitDefinitions is what the broker makes at its start, if it is not there: a virtual host and a user
// for msctl and for each resource.
func rabbitDefinitions(at site, cs []Choice) []byte {
	type object map[string]string
	var users, vhosts, permissions []object
	add := func(name, tags string, sees ...string) {
		users = append(users, object{"name": name, "tags": tags, "password_hash": rabbitHash(at.password(name)),
			"hashing_algorithm": "rabbit_password_hashing_sha256"})
		vhosts = append(vhosts, object{"name": name})
		for _, vhost := range sees {
			permissions = append(permissions, object{"user": name, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"})
		}
	}
	all := []string{admin}
	for _, c := range cs {
		add(c.Resource.Name, "", c.Resource.Name)
		all = append(all, c.Resource.Name)
	}
	add(admin, "administrator", all...)
	b, err := json.Marshal(map[string][]object{"users": users, "vhosts": vhosts, "permissions": permissions})
	if err != nil {
		panic(err) // strings always marshal
	}
	return b
}

// rabbitHash is RabbitMQ's salted SHA-256. The salt is the password's own, so that the file stays the
// same; the password is random.
func rabbitHash(password string) string {
	salt := sha256.Sum256([]byte("salt" + password))
	sum := sha256.Sum256(append(salt[:4:4], password...))
	return base64.StdEncoding.EncodeToString(append(salt[:4:4], sum[:]...))
}

func rabbitEndpoint(at site, c Choice) Endpoint {
	name, password := c.Resource.Name, at.password(c.Resource.Name)
	return Endpoint{URL: rabbitURL(at, name, password, name), Host: host, Port: at.port(), User: name, Password: password, Database: name}
}

func rabbitURL(at site, user, password, vhost string) string {
	u := url.URL{Scheme: "amqp", User: url.UserPassword(user, password), Host: at.addr(), Path: "/" + vhost}
	return u.String()
}

func rabbitReady(ctx context.Context, at site) error {
	return rabbitDial(ctx, rabbitURL(at, admin, at.password(admin), admin))
}

func rabbitDial(ctx context.Context, url string) error {
	c, err := amqp.DialConfig(url, amqp.Config{Dial: func(network, addr string) (net.Conn, error) {
		conn, err := quick.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return conn, conn.SetDeadline(deadline(ctx)) // of the handshake; the client lifts it
	}})
	if err != nil {
		return err
	}
	return c.Close()
}

// rabbitPrepare checks that the resource's user may enter its virtual host, which the definitions made at
// the start. One that was added to a running broker is imported.
func rabbitPrepare(imports func(context.Context, site, []byte) error) func(context.Context, site, Choice) error {
	return func(ctx context.Context, at site, c Choice) error {
		u := rabbitEndpoint(at, c).URL
		if rabbitDial(ctx, u) == nil {
			return nil
		}
		if err := imports(ctx, at, rabbitDefinitions(at, []Choice{c})); err != nil {
			return fmt.Errorf("add virtual host: %w", err)
		}
		return rabbitDial(ctx, u)
	}
}

// rabbitImportHTTP needs the management page.
func rabbitImportHTTP(ctx context.Context, at site, definitions []byte) error {
	if !managed(at.choice()) {
		return errors.New("it needs a restart of the broker")
	}
	to := "http://" + address(at.Ports["http"]) + "/api/definitions"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(definitions))
	if err != nil {
		return err
	}
	req.SetBasicAuth(admin, at.password(admin))
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("management answered %s", resp.Status)
	}
	return nil
}

func rabbitImportCLI(ctx context.Context, at site, definitions []byte) error {
	o, err := at.owner()
	if err != nil {
		return err
	}
	file := at.file("definitions.add.json")
	if err := writeFile(file, definitions, o); err != nil {
		return err
	}
	return at.command(ctx, at.folder(), rabbitEnv(at), at.program("rabbitmqctl"), "-n", rabbitNode, "import_definitions", file)
}

package kittest

import (
	"fmt"
	"path/filepath"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// RabbitMQ starts a broker of its own by the programs rabbitmq-server (the one in rabbitmq's own
// bin folder) and epmd, and returns its URL. It ends with the test.
func RabbitMQ(t testing.TB, server, epmd string) string {
	t.Helper()
	if own, _ := filepath.Glob("/usr/lib/rabbitmq/bin/rabbitmq-server"); len(own) > 0 {
		server = own[0] // the wrapper in sbin wants to change users
	}
	dir := folder(t, "mq")
	port, dist, epmdPort := freePort(t), freePort(t), freePort(t)
	env := []string{
		"HOME=" + dir, "ERL_EPMD_ADDRESS=127.0.0.1", fmt.Sprintf("ERL_EPMD_PORT=%d", epmdPort),
		"RABBITMQ_CONF_ENV_FILE=/dev/null", fmt.Sprintf("RABBITMQ_NODENAME=t%d@localhost", port),
		"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1", fmt.Sprintf("RABBITMQ_NODE_PORT=%d", port),
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", dist), "RABBITMQ_BASE=" + dir,
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(dir, "mnesia"), "RABBITMQ_LOG_BASE=" + dir,
		"RABBITMQ_LOGS=-", "RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(dir, "plugins"),
		"RABBITMQ_GENERATED_CONFIG_DIR=" + filepath.Join(dir, "config"),
		"RABBITMQ_CTL_ERL_ARGS=", "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-start_epmd false +sbwt none " +
			`-kernel inet_dist_use_interface {127,0,0,1}`,
	}
	spawn(t, dir, env, epmd, "-address", "127.0.0.1", "-port", fmt.Sprint(epmdPort))
	p := spawn(t, dir, env, server)
	url := fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/", port)
	p.until(t, func() bool {
		c, err := amqp.Dial(url)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return url
}

// Package kit is what every service of the fleet shares and none wants to write twice: start and
// stop, configuration, logs, telemetry, an HTTP server and client, problems and health. Databases,
// messages, Redis and gRPC are in the packages below it (db, bus, cache, rpc), so that a service
// links only what it uses.
//
// A service is one function:
//
//	func main() { kit.Main("users", run) }
//
//	func run(ctx context.Context, app *kit.App) error {
//		store, err := db.Open(ctx, app, "users-db", migrations) // USERS_DB_URL
//		…
//		return app.Go(ctx, relay.Run, app.HTTP(routes(store))) // HTTP_PORT; blocks until all ended
//	}
//
// # Environment
//
// Names are those of stack.yaml: a resource or service "users-db" has its address in USERS_DB_URL
// (db, bus, cache and Client all take the plain name). A service listens on HTTP_PORT (or PORT) and
// GRPC_PORT of HOST, 127.0.0.1 unless said; a port that is not given is a free one, found in the
// log. Telemetry leaves when OTEL_EXPORTER_OTLP_ENDPOINT is set. LOG_LEVEL is info.
//
// # Paths
//
// A service serves its own nouns (/users/{id}); the gateway puts the version in front
// (/v1/users/{id}). Errors are problems (RFC 9457), see [Problem].
package kit

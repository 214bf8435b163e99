// DTM with sagas of three empty steps: SERVER N CONCURRENCY call|empty. Starts the server, submits N
// sagas, each waited for, and calls nothing or the actions of this process.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"weir.example/peers/tally"
)

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1024}}

// What its clients send for a saga (client/dtmcli/trans_saga.go there).
type saga struct {
	Gid        string              `json:"gid"`
	TransType  string              `json:"trans_type"`
	WaitResult bool                `json:"wait_result"`
	Steps      []map[string]string `json:"steps"`
	Payloads   []string            `json:"payloads"`
}

func newSaga(number int64, action string) saga {
	step := map[string]string{"action": action, "compensate": action}
	payload := string(tally.Payload())
	return saga{
		Gid: fmt.Sprintf("saga-%d", number), TransType: "saga", WaitResult: true,
		Steps: []map[string]string{step, step, step}, Payloads: []string{payload, payload, payload},
	}
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// Returns the address of its API once it answers.
func startServer(program string) (string, error) {
	command := exec.Command(program)
	command.Env = append(os.Environ(), "STORE_DRIVER=redis", "STORE_HOST=127.0.0.1",
		"STORE_PORT="+os.Getenv("PEERS_PORT"), "LOG_LEVEL=warn")
	var address string
	for _, name := range []string{"GRPC_PORT", "JSON_RPC_PORT", "HTTP_PORT"} {
		port, err := freePort()
		if err != nil {
			return "", err
		}
		command.Env = append(command.Env, fmt.Sprintf("%s=%d", name, port))
		address = fmt.Sprintf("http://127.0.0.1:%d/api/dtmsvr", port)
	}
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	// It ends with the thread that started it, which therefore has to stay.
	runtime.LockOSThread()
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		return "", err
	}
	for range 200 {
		if answer, err := client.Get(address + "/version"); err == nil {
			answer.Body.Close()
			return address, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return "", fmt.Errorf("the server does not answer at %s", address)
}

// Returns the address of an action that does nothing.
func serveActions() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() {
		log.Fatal(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
		})))
	}()
	return fmt.Sprintf("http://%s/action", listener.Addr()), nil
}

func submit(server string, s saga) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	answer, err := client.Post(server+"/submit", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, text)
	}
	return err
}

func run(server, action string, n int64, concurrency int) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range concurrency {
		all.Go(func() {
			for number := next.Add(1); number <= n; number = next.Add(1) {
				tally.Begin()
				if err := submit(server, newSaga(number, action)); err != nil {
					log.Fatal(err)
				}
				tally.End()
			}
		})
	}
	all.Wait()
}

func main() {
	n, err := strconv.ParseInt(os.Args[2], 10, 64)
	if err != nil {
		log.Fatal(err)
	}
	concurrency, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	var action string
	if os.Args[4] == "call" {
		if action, err = serveActions(); err != nil {
			log.Fatal(err)
		}
	}
	server, err := startServer(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	run(server, action, n, concurrency)
	select {}
}

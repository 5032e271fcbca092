package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	compose "github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// serves checks the arguments of a gateway, except for the file of tokens, and returns its options.
func serves(t *testing.T, args []string, tokens string) *serveOptions {
	t.Helper()
	require.Equal(t, "serve", args[0])
	args = slices.Clone(args[1:])
	at := slices.Index(args, "-auth=/etc/fanout/tokens.json")
	require.GreaterOrEqual(t, at, 0, "a gateway that others reach checks tokens")
	args[at] = "-auth=" + tokenFile(t, tokens)
	o, err := parseServe(args, new(bytes.Buffer))
	require.NoError(t, err)
	require.Len(t, strings.Split(o.broker.url, ","), 3)
	require.Equal(t, 3, o.gateway.topics[0].replicas)
	return o
}

// portOf returns the port of an address.
func portOf(address string) string { return address[strings.LastIndex(address, ":")+1:] }

func TestTheComposeFileStartsThreeServersAndTwoGateways(t *testing.T) {
	path := filepath.Join("deploy", "compose.yaml")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	project, err := loader.LoadWithContext(t.Context(), compose.ConfigDetails{
		WorkingDir:  "deploy",
		ConfigFiles: []compose.ConfigFile{{Filename: path, Content: b}},
	})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"nats-0", "nats-1", "nats-2", "gateway-0", "gateway-1"},
		project.ServiceNames())
	tokens, err := os.ReadFile(filepath.Join("deploy", "tokens.json"))
	require.NoError(t, err)
	for name, s := range project.Services {
		if strings.HasPrefix(name, "nats") {
			require.Contains(t, []string(s.Command), "-n="+name)
			require.Contains(t, []string(s.Command), "-routes="+routes("nats://nats-%d:6222"))
			continue
		}
		o := serves(t, s.Command, string(tokens))
		require.Equal(t, routes("nats://nats-%d:4222"), o.broker.url)
		require.Equal(t, portOf(o.listen), fmt.Sprint(s.Ports[0].Target))
		require.Equal(t, portOf(o.adminListen), fmt.Sprint(s.Ports[1].Target))
		require.Greater(t, time.Duration(*s.StopGracePeriod), o.gateway.spread+lateAtMost)
		docker, err := os.ReadFile(filepath.Join("../..", s.Build.Dockerfile))
		require.NoError(t, err)
		require.Contains(t, string(docker), "./examples/fanout\n")
	}
}

// routes returns three addresses with commas between them.
func routes(format string) string {
	return fmt.Sprintf(strings.Join([]string{format, format, format}, ","), 0, 1, 2)
}

// manifest returns the objects of the manifest, decoded strictly.
func manifest(t *testing.T) (objects []any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("deploy", "kubernetes.yaml"))
	require.NoError(t, err)
	for part := range bytes.SplitSeq(b, []byte("\n---\n")) {
		var kind metav1.TypeMeta
		require.NoError(t, yaml.Unmarshal(part, &kind))
		into := map[string]any{
			"v1/Namespace":                  &corev1.Namespace{},
			"v1/Secret":                     &corev1.Secret{},
			"v1/Service":                    &corev1.Service{},
			"apps/v1/StatefulSet":           &appsv1.StatefulSet{},
			"apps/v1/Deployment":            &appsv1.Deployment{},
			"policy/v1/PodDisruptionBudget": &policyv1.PodDisruptionBudget{},
		}[kind.APIVersion+"/"+kind.Kind]
		require.NotNil(t, into, "%s/%s", kind.APIVersion, kind.Kind)
		require.NoError(t, yaml.UnmarshalStrict(part, into))
		objects = append(objects, into)
	}
	return objects
}

// object returns the one object of a type, or the one with a name.
func object[T interface{ GetName() string }](t *testing.T, objects []any, name string) T {
	t.Helper()
	i := slices.IndexFunc(objects, func(o any) bool {
		v, ok := o.(T)
		return ok && v.GetName() == name
	})
	require.GreaterOrEqual(t, i, 0, name)
	return objects[i].(T)
}

func TestTheManifestNamesWhatTheProgramHas(t *testing.T) {
	objects := manifest(t)
	pod := object[*appsv1.Deployment](t, objects, "fanout").Spec.Template
	gateway := pod.Spec.Containers[0]
	o := serves(t, gateway.Args,
		object[*corev1.Secret](t, objects, "fanout-tokens").StringData["tokens.json"])
	ports := map[string]string{}
	for _, p := range gateway.Ports {
		ports[p.Name] = fmt.Sprint(p.ContainerPort)
	}
	require.Equal(t, map[string]string{
		"clients": portOf(o.listen), "operators": portOf(o.adminListen),
	}, ports)
	require.Equal(t, ports["operators"], pod.Annotations["prometheus.io/port"])
	require.Equal(t, "/metrics", pod.Annotations["prometheus.io/path"])
	for path, get := range map[string]*corev1.HTTPGetAction{
		"/healthz": gateway.LivenessProbe.HTTPGet,
		"/readyz":  gateway.ReadinessProbe.HTTPGet,
		"/drain":   gateway.Lifecycle.PreStop.HTTPGet,
	} { // TestADrainSendsTheClientsAway asks for these paths
		require.Equal(t, &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("operators")}, get)
	}
	service := object[*corev1.Service](t, objects, "fanout").Spec
	require.Equal(t, pod.Labels, service.Selector)
	require.Equal(t, "clients", service.Ports[0].TargetPort.StrVal)
	drain := o.gateway.wait + o.gateway.spread + lateAtMost
	require.Greater(t, float64(*pod.Spec.TerminationGracePeriodSeconds), drain.Seconds())
}

func TestTheManifestHasThreeServersThatFindEachOther(t *testing.T) {
	objects := manifest(t)
	set := object[*appsv1.StatefulSet](t, objects, "nats")
	require.EqualValues(t, 3, *set.Spec.Replicas)
	require.Contains(t, set.Spec.Template.Spec.Containers[0].Args,
		"-routes="+routes("nats://nats-%d.nats:6222"))
	require.Equal(t, set.Spec.ServiceName, object[*corev1.Service](t, objects, "nats").Name)
	gateway := object[*appsv1.Deployment](t, objects, "fanout").Spec.Template.Spec.Containers[0]
	require.Contains(t, gateway.Args, "-nats="+routes("nats://nats-%d.nats:4222"))
}

func TestThePageOfTheProgramNamesAllFlagsAndMetrics(t *testing.T) {
	b, err := os.ReadFile("../../docs/fanout.md")
	require.NoError(t, err)
	page := string(b)
	for _, command := range []string{"serve", "listen", "publish", ""} {
		var out, errs bytes.Buffer
		args := []string{command, "-h"}
		if command == "" {
			args = args[1:]
		}
		require.Zero(t, run(t.Context(), args, nil, &out, &errs), errs.String())
		for line := range strings.Lines(out.String()) {
			if name, ok := strings.CutPrefix(line, "  -"); ok {
				require.Contains(t, page, "`-"+strings.Fields(name)[0], "of %s", command)
			}
		}
	}
	f := newFixture(t)
	g, _, _ := f.gateway("-topic", "orders")
	families, err := g.metrics.registry.Gather()
	require.NoError(t, err)
	for _, m := range families {
		if strings.HasPrefix(m.GetName(), "fanout_") {
			require.Contains(t, page, "`"+m.GetName()+"`")
		}
	}
}

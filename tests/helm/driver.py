"""Helm for the tests: a request a line on stdin, its answer a line on stdout, both JSON.

    {"do": "render", "with": ["deploy/charts/paperspace-operator", {"replicas": 3}], "options": {"name": "a", "namespace": "b"}}
    {"ok": {"paperspace-operator/templates/service.yaml": "..."}}        or        {"error": "HelmValuesError: ..."}

`lint`, `render` and `front` need no cluster. All else is a method of helm_python.Config and has a kubeconfig's text and a namespace
beside it.
"""

import json
import sys

import front
import helm_python as helm


def render(path, values, **options):
    with helm.Chart.load(path) as chart:
        return chart.render(values, **options)


def answer(request):
    do, arguments, options = request["do"], request["with"], request.get("options", {})
    if do in ("lint", "render", "front"):
        return {"lint": helm.lint, "render": render, "front": front.serve}[do](*arguments, **options)
    # The brakes are for clusters that others share.
    with helm.Config(
        kubeconfig_content=request["kubeconfig"], namespace=request["namespace"], burst_limit=1000, qps=1000
    ) as config:
        return getattr(config, do)(*arguments, **options)


for line in sys.stdin:
    try:
        said = {"ok": answer(json.loads(line))}
    except helm.HelmError as error:
        said = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(said), flush=True)

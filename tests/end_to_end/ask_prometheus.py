"""Asks a Prometheus: how many series a name has, what an expression gives, whether it answers all
expressions of a Grafana dashboard, and whether its rules are evaluated without an error.

    ask_prometheus.py URL series NAME | value EXPRESSION | grafana FILE | rules
"""
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

LIMIT_S = 10


def ask(path, **arguments):
    url = f"{sys.argv[1]}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
    try:
        with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        return json.load(refused)


def query(expression):
    answer = ask("query", query=expression)
    if answer["status"] != "success":
        sys.exit(f"{expression}: {answer.get('error')}")
    return answer["data"]["result"]


def value(expression):
    """The one value, as an integer where it is one; "none" where there is no series."""
    result = query(expression)
    if len(result) != 1:
        return "none" if not result else f"{len(result)} series"
    return f"{float(result[0]['value'][1]):g}"


def expressions(node):
    if isinstance(node, dict):
        if "expr" in node:
            yield node["expr"]
        for child in node.values():
            yield from expressions(child)
    elif isinstance(node, list):
        for child in node:
            yield from expressions(child)


def fill_in(expression):
    return expression.replace("$service", ".*").replace("$__rate_interval", "1m")


def check_grafana(path):
    with open(path, encoding="utf-8") as file:
        found = list(expressions(json.load(file)))
    silent = [one for one in found if not query(fill_in(one))]
    print(f"{len(found)} expressions, without a series: {silent}")
    if len(found) < 20:
        sys.exit("the dashboard has hardly any expressions")
    if silent:
        sys.exit("some have nothing to show")


def check_rules():
    groups = ask("rules")["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    for rule in rules:
        query(rule["query"])
        if rule.get("lastError"):
            sys.exit(f"{rule['name']}: {rule['lastError']}")
    print(f"{len(rules)} rules")
    if not rules:
        sys.exit("there are no rules")


def main():
    what, *rest = sys.argv[2:]
    if what == "series":
        print(len(query(rest[0])))
    elif what == "value":
        print(value(rest[0]))
    elif what == "grafana":
        check_grafana(rest[0])
    elif what == "rules":
        check_rules()


main()

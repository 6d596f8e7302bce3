"""The only door to hydra and omegaconf: parts become config groups, a composed config becomes an Experiment.

Who sets a value is Hydra's own order: the part's class, then what the chosen method's paper sets (``Method.defaults``),
the model's file, the experiment's file, and last the overrides.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

from star_cli.core import registry
from star_cli.core.settings import TRACKERS, Tracking
from star_cli.errors import StarError
from star_cli.run.arms import Arm, ArmFailed, ArmsFile
from star_cli.run.composed import Asked, Composed, composed_of, nothing_swept
from star_cli.run.config_errors import Known, sentence, taken_away, unknown_setting
from star_cli.run.config_files import check_files, unreadable
from star_cli.run.overrides import Arguments, conf_dir, home_of, lent, parsed, set_by, value_of
from star_cli.run.parts_override import with_parts
from star_cli.run.root import Auto, Root

FOLLOWING = ("method", "verifier", "grader")  # parts whose settings can be set from elsewhere: see ``setting_of``
_stored: dict[tuple[str, str], type[Any]] = {}  # the parts that Hydra knows


def store_parts() -> None:
    """Put every registered part that is not there yet into Hydra's ConfigStore.

    A part is an option of its group. One that brings other settings along is kept under schema/ instead, beneath a node
    or a file of ``conf`` of its name: a method with the settings of its paper, a model with what trains it well.
    """
    from hydra.core.config_store import ConfigStore
    from omegaconf import OmegaConf

    registry.discover()
    store = ConfigStore.instance()
    if not _stored:
        OmegaConf.register_new_resolver("star_home", lambda home: str(home_of(home)), replace=True)
        OmegaConf.register_new_resolver("setting", setting_of, replace=True)
        store.store(name="root", node=Root)
        store.store(group="grader", name="auto", node=Auto)
        for kind in ("auto", "none", *TRACKERS):
            store.store(group="tracking", name=kind, node=Tracking(kind=kind))
    for kind in registry.KINDS:
        for name in registry.names(kind):
            if _stored.get((kind, name)) is registry.get(kind, name):
                continue
            _stored[kind, name] = registry.get(kind, name)
            above = _published(name) if kind == "method" else None
            wrapped = above is not None or (conf_dir() / kind / f"{name}.yaml").is_file()
            store.store(group=f"schema/{kind}" if wrapped else kind, name=name, node=_node(kind, name))
            if above is not None:
                store.store(group=kind, name=name, node=above, package="_global_")


def _node(kind: str, name: str) -> Any:
    """A part's class as a config node; of some kinds with settings that follow what is said elsewhere."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    part = registry.get(kind, name)
    try:
        node = OmegaConf.structured(part)
    except OmegaConfBaseException as e:
        raise StarError(
            f"{kind}={name} ({part.__module__}) has a setting of a type that cannot be read: {sentence(e, Known).what}",
            hint="use str, int, float, bool, Enum, lists and dictionaries of these, or dataclasses",
        ) from None
    for setting in list(node) if kind in FOLLOWING else ():
        if _section(node, str(setting)) is None:
            node[setting] = f"${{setting:{kind},{name},{setting}}}"
    return node


def _section(node: Any, name: str) -> Any:
    """The section or dictionary below a node; None for a plain value and for one that is looked up elsewhere."""
    from omegaconf import OmegaConf

    if OmegaConf.is_missing(node, name) or OmegaConf.is_interpolation(node, name):
        return None
    return node[name] if OmegaConf.is_dict(node[name]) else None


def _published(method: str) -> Any:
    """A method with its verifier and with what its paper sets in other sections, as a node of the root."""
    from omegaconf import OmegaConf

    part = registry.get("method", method)
    node = OmegaConf.create(
        {"defaults": [{"/schema/method@method": method}, {"override /verifier": part.verifier}, "_self_"]}
    )
    for setting, value in part.defaults.items():
        OmegaConf.update(node, setting, value, force_add=True)
    return node


def setting_of(kind: str, name: str, setting: str, *, _root_: Any) -> Any:
    """The value of a setting that neither a file nor an override sets for the chosen part itself.

    For a method or a verifier what ``methods.NAME`` or ``verifiers.NAME`` says, for a grader what a task says whose own
    grader it is; for a method's rounds and samples the short names; else the default of its class.
    """
    from omegaconf import OmegaConf

    schema = OmegaConf.structured(registry.get(kind, name))
    if kind == "grader":
        own = getattr(OmegaConf.to_object(_root_.task), "grader", {}) if OmegaConf.is_dict(_root_.task) else {}
        elsewhere = own if own.get("name") == name else {}
    else:
        elsewhere = _root_[f"{kind}s"].get(name) or {}
    if setting in elsewhere:
        schema = OmegaConf.merge(schema, {setting: elsewhere[setting]})
    elif kind == "method" and setting in ("rounds", "samples") and _root_[setting] is not None:
        return _root_[setting]
    if OmegaConf.is_missing(schema, setting):
        raise StarError(f"{kind}={name} needs {kind}.{setting}", hint=f"give it: {kind}.{setting}=VALUE")
    value = schema[setting]
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def launch(args: list[str], job: Callable[[Composed], Any], *, lenient: bool = False) -> Any:
    """Compose ``args`` (Hydra overrides and flags), run ``job`` on the result and return what it returns.

    ``lenient`` also passes on an experiment that its own checks refuse, with the reason as ``fault``. Raises StarError
    for anything wrong with the configuration.
    """
    arguments = parsed(with_parts(args))
    if arguments.shows:
        raise StarError("--cfg, --info and --hydra-help belong to star run", hint="for example star run --cfg job")
    if arguments.sweep:
        raise StarError(
            "this command takes one experiment, not a sweep", hint="leave -m out, and give each setting once"
        )
    result: list[Any] = []
    faults: list[StarError] = []

    def main(config: Any) -> None:
        try:
            result.append(job(_composed(config, lenient=lenient)))
        except StarError as e:  # Hydra would print a line of its own about it
            faults.append(e)

    _run_hydra(arguments, main)
    if faults:
        raise faults[0]
    return result[0] if result else None


def show_hydra(arguments: Arguments) -> None:
    """Let Hydra print what --cfg hydra, --info or --hydra-help ask for."""
    _run_hydra(replace(arguments, cfg="hydra" if arguments.cfg else None), lambda config: None)


def launch_sweep(args: list[str], job: Callable[[Composed], Any]) -> list[Arm]:
    """Run ``job`` on every arm of a sweep, in whatever process or machine Hydra's launcher chooses.

    What ``job`` returns goes to Hydra's sweeper. An arm that fails is said at once and stops no other; the arms, failed
    or not, are returned. Raises StarError for anything wrong with the configuration of the sweep itself.
    """
    from concurrent.futures.process import BrokenProcessPool

    arguments = parsed(with_parts(args))
    if value_of(arguments.overrides, "home") is None:  # another machine may have another environment
        home = str(home_of(None)).replace("'", "\\'")
        arguments = replace(arguments, overrides=[*arguments.overrides, f"home='{home}'"])
    fixed = _fixed(arguments)
    notes = ArmsFile.create(home_of(value_of(arguments.overrides, "home")))

    def main(config: Any) -> Any:
        from hydra.core.hydra_config import HydraConfig

        with notes.arm(" ".join(HydraConfig.get().overrides.task)) as arm:
            composed = _composed(config, lenient=True, fixed=fixed)
            arm.name, arm.home = composed.experiment.name, str(composed.experiment.home)
            notes.note(arm)
            if composed.fault:
                raise composed.fault
            return job(composed)

    failed: list[str] = []
    try:
        _run_hydra(arguments, main)
    except ArmFailed as e:  # what a machine that cannot write the notes reports
        failed.append(e.what)
    except BrokenProcessPool as e:
        print(f"star: a process of the launcher died: {str(e).splitlines()[0]}", file=sys.stderr, flush=True)
    finally:
        arms = notes.arms()
        notes.remove()
    noted = {a.name for a in arms}
    return [*arms, *(Arm(name, ended=True, failure="it failed") for name in failed if name not in noted)]


def _run_hydra(arguments: Arguments, main: Callable[[Any], Any]) -> None:
    """Lend Hydra the command line and run ``main`` on what it composes; its complaints become StarErrors."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    store_parts()
    check_files(arguments.config_dir, arguments.overrides)
    reached: list[bool] = []

    def reaching(config: Any) -> Any:
        reached.append(True)
        return main(config)

    with lent(arguments.for_hydra(), {"HYDRA_FULL_ERROR": "1"}):
        try:
            _hydra_main(reaching)
        except (HydraException, OmegaConfBaseException) as e:
            raise _star_error(e) or sentence(e, lambda: _known(arguments)) from None
        except (ValueError, OSError, RecursionError, YAMLError) as e:
            if reached:
                raise
            raise (unreadable(e) if isinstance(e, YAMLError) else sentence(e, lambda: _known(arguments))) from None


def _hydra_main(main: Callable[[Any], Any]) -> None:
    import hydra

    hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(main)()


def _star_error(error: BaseException | None) -> StarError | None:
    """The StarError beneath an error of OmegaConf: one that was raised while a value was looked up."""
    while error is not None and not isinstance(error, StarError):
        error = error.__cause__ or error.__context__
    return error


def _composed(config: Any, lenient: bool = False, fixed: list[str] | None = None) -> Composed:
    """A DictConfig as a checked experiment; in an arm of a sweep ``fixed`` are the settings that do not vary."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    about = HydraConfig.get()
    overrides = [str(o) for o in about.overrides.task]
    known, undeclared = _settings_in(config)
    gone = {f.name for f in fields(Root)} - set(config)
    if gone:
        raise taken_away(min(gone))
    if undeclared:
        raise unknown_setting(undeclared[0], known)
    _check_elsewhere(config)
    _prefer_short_names(config, set_by(overrides))
    try:
        if OmegaConf.get_type(config, "grader") is Auto and OmegaConf.is_dict(config.task):
            task: Any = OmegaConf.to_object(config.task)
            config.grader = _node("grader", task.grader["name"])
        live = {str(k): OmegaConf.to_object(v) if OmegaConf.is_config(v) else v for k, v in config.items()}
    except OmegaConfBaseException as e:
        raise _star_error(e) or sentence(e, lambda: known) from None
    own = [f"--config-dir={s.path}" for s in about.runtime.config_sources if s.provider == "command-line"]
    user_request = Asked([*own, *overrides], about.runtime.choices.get("experiment"), _swept(about, overrides, fixed))
    return composed_of(live, user_request, lenient=lenient)


def _settings_in(config: Any) -> tuple[Known, list[str]]:
    """(the settings of a config, the names in it that no class declares: a + put them there)."""
    from omegaconf import OmegaConf

    names: list[str] = []
    free: list[str] = []
    undeclared: list[str] = []

    def walk(node: Any, section: str) -> None:
        declares = OmegaConf.get_type(node)
        declared = {f.name for f in fields(declares)} if is_dataclass(declares) else None
        if declared is None:
            free.append(section)
        for key in node:
            name = f"{section}.{key}" if section else str(key)
            if declared is not None and key not in declared:
                undeclared.append(name)
                continue
            names.append(name)
            child = _section(node, str(key))
            if child is not None:
                walk(child, name)

    walk(config, "")
    return Known(names, frozenset(free)), undeclared


def _check_elsewhere(config: Any) -> None:
    """Refuse what ``methods`` or ``verifiers`` say of a method or verifier, chosen or not, that cannot be set there."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    for kind in ("method", "verifier"):
        for name, settings in (config[f"{kind}s"] or {}).items():
            schema = OmegaConf.structured(registry.get(kind, name))
            for setting, value in settings.items():
                where = f"{kind}s.{name}.{setting}={value}"
                if setting not in schema:
                    raise StarError(
                        f"{where}: this {kind} has no {setting}", hint=f"it has {', '.join(schema) or 'no settings'}"
                    )
                if _section(schema, setting) is not None:
                    raise StarError(
                        f"{where} has no effect", hint=f"set it where {name} is chosen: {kind}.{setting}=..."
                    )
                try:
                    OmegaConf.merge(schema, {setting: value})
                except OmegaConfBaseException as e:
                    raise StarError(
                        f"{where}: {str(e).splitlines()[0]}", hint=f"star ls {kind}s shows the settings"
                    ) from None


def _prefer_short_names(config: Any, overridden: set[str]) -> None:
    """rounds=N and samples=N as overrides are method.rounds=N and method.samples=N."""
    for name in ("rounds", "samples"):
        if name not in overridden or config[name] is None or _section(config, "method") is None:
            continue
        if name not in config.method:
            raise StarError(f"{name}={config[name]} has no effect: this method has no {name}", hint=f"leave {name} out")
        if f"method.{name}" in overridden and config.method[name] != config[name]:
            raise StarError(
                f"{name}={config[name]} has no effect beside method.{name}={config.method[name]}",
                hint=f"give one of the two; {name} is the short name of method.{name}",
            )
        config.method[name] = config[name]


def _swept(about: Any, overrides: list[str], fixed: list[str] | None) -> list[str] | None:
    """The overrides that Hydra's sweeper chose for this arm; None where the job is no arm of a sweep."""
    if fixed is None:
        if about.mode is not None and about.mode.name == "MULTIRUN":
            raise StarError("hydra.mode=MULTIRUN has no effect", hint="a sweep is asked for with -m")
        return None
    return [o for o in overrides if not set_by([o]) & set(fixed)]


def _fixed(arguments: Arguments) -> list[str]:
    """The settings to which the command line of a sweep gives one value; a StarError where it sweeps over nothing."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        overrides = OverridesParser.create().parse_overrides(arguments.overrides)
    except HydraException as e:
        raise sentence(e, Known) from None
    fixed = [o.get_key_element().lstrip("+~") for o in overrides if not o.is_sweep_override()]
    if len(fixed) == len(overrides) and not any(name == "experiment" or name.startswith("hydra") for name in fixed):
        raise nothing_swept()
    return fixed


def _known(arguments: Arguments) -> Known:
    """The settings there would be without the overrides of values, one of which is wrong."""
    groups = {*registry.KINDS, "tracking", "experiment"}
    chosen = [o.split(",")[0] for o in arguments.overrides if o.partition("=")[0] in groups]
    settings: list[Known] = []
    for attempt in (chosen, [o for o in chosen if not o.startswith("experiment=")], []):
        try:
            with lent(Arguments(attempt, config_dir=arguments.config_dir).for_hydra(), {"HYDRA_FULL_ERROR": "1"}):
                _hydra_main(lambda config: settings.append(_settings_in(config)[0]))
        except Exception:  # noqa: BLE001  (only a help for an error that is raised anyway)
            continue
        break
    return settings[0] if settings else Known()

"""Why a plugin was stopped."""


class PluginFault(Exception):
    """A plugin cannot be used. `where` names the hook, `field` what in its answer is wrong."""

    def __init__(self, plugin: str, where: str, message: str, field: str = "") -> None:
        self.plugin, self.where, self.field, self.message = plugin, where, field, message
        super().__init__(f"plugin {plugin}: {where}{'.' + field if field else ''}: {message}")
